import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, type TestContext, test } from "vitest";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { APPS, needApp } from "../apps/installed.ts";

/** Clients of the MCP SDK's two major versions with servers of it, in every transport that it has. */

const REGISTER = new URL("../../src/register.ts", import.meta.url).href;
const TIMEOUT_MS = 60_000;
const USD = 0.01;
/** Every tool call has this price; each is in the scope of the client's agent. */
const CHARGE = /^spendfuse: debug: charge: ([a-z]+); \$0\.01; agent asker$/gm;

/** Version and transport of client and server. Version 2 has no server over SSE, so its client meets that of version 1. */
const PAIRS: readonly (readonly [client: string, server: string, transport: "http" | "sse"])[] = [
  ["1", "1", "http"],
  ["2", "2", "http"],
  ["1", "2", "http"],
  ["2", "1", "http"],
  ["1", "1", "sse"],
  ["2", "1", "sse"],
];

let server: ChildProcess | undefined;

afterEach(async () => {
  if (server === undefined || server.exitCode !== null) return;
  const over = new Promise((resolve) => server?.once("close", resolve));
  server.kill("SIGKILL");
  await over;
});

async function install(context: TestContext): Promise<string> {
  const app = await needApp(context, "mcp");
  // They change without the lockfile by which an installed project is known.
  for (const name of readdirSync(join(APPS, "mcp"))) {
    if (name.endsWith(".mjs")) cpSync(join(APPS, "mcp", name), join(app, name));
  }
  return app;
}

/** Starts a server and gives its address. */
function startServer(cwd: string, version: string, transport: string): Promise<string> {
  const child = spawn(process.execPath, ["server.mjs", version, transport], {
    cwd,
    stdio: ["ignore", "pipe", "inherit"],
  });
  server = child;
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => reject(new Error("the server ended")));
    child.stdout.once("data", (line) => resolve(String(line).trim()));
  });
}

interface Ended {
  /** What the app printed, line by line. */
  readonly out: readonly unknown[];
  /** The tools of the charges, in order. */
  readonly charges: readonly string[];
  readonly err: string;
}

interface Run {
  readonly cwd: string;
  readonly version: string;
  readonly transport: string;
  readonly where: string;
  readonly calls: readonly string[];
  /** Undefined: without us. */
  readonly config?: ConfigFile;
}

async function runClient({ cwd, version, transport, where, calls, config }: Run): Promise<Ended> {
  const preload = config === undefined ? [] : ["--import", REGISTER];
  const own = { SPENDFUSE_CONFIG: JSON.stringify(config ?? {}), SPENDFUSE_DEBUG: "1", SPENDFUSE_AGENT: "asker" };
  const child = spawn(process.execPath, [...preload, "client.mjs", version, transport, where, ...calls], {
    cwd,
    env: { PATH: process.env.PATH, ...own },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`the client ended with ${code}\n${out}\n${err}`);
  const lines = out.trimEnd().split("\n");
  return {
    out: lines.map((line) => JSON.parse(line)),
    charges: [...err.matchAll(CHARGE)].map(([, tool = ""]) => tool),
    err,
  };
}

describe.each(PAIRS)("client %s with server %s over %s", (version, serverVersion, transport) => {
  const CALLS = ["search", "scrape", "fails", "missing", "canceled", "5xsearch"];

  async function stage(context: TestContext): Promise<Omit<Run, "calls">> {
    const cwd = await install(context);
    const url = await startServer(cwd, serverVersion, transport);
    return { cwd, version, transport, where: url + (transport === "sse" ? "/sse" : "/mcp") };
  }

  const priced = ({ where }: Pick<Run, "where">, more: ConfigFile = {}): ConfigFile => ({
    charges: [{ host: new URL(where).host, tool: "*", usd: USD }],
    ...more,
  });

  test("each call is one charge; one that fails is none; results are as without us", async (context) => {
    const run = await stage(context);
    const bare = await runClient({ ...run, calls: CALLS });
    expect(bare.out[0]).toEqual(["search", "scrape", "fails", "slow"]);
    expect(bare.out.at(-1)).toHaveLength(5);
    const metered = await runClient({ ...run, calls: CALLS, config: priced(run) });
    expect(metered.out).toEqual(bare.out);
    // One that was canceled may have been paid for.
    expect(metered.charges.toSorted()).toEqual(["scrape", ...Array(6).fill("search"), "slow"]);
    const unpriced = await runClient({ ...run, calls: CALLS, config: {} });
    expect([unpriced.out, unpriced.charges]).toEqual([bare.out, []]);
  });

  test("a row of one tool leaves the others free", async (context) => {
    const run = await stage(context);
    const config = { charges: [{ host: new URL(run.where).host, tool: "scrape", usd: USD }] };
    const { charges } = await runClient({ ...run, calls: ["search", "scrape", "search"], config });
    expect(charges).toEqual(["scrape"]);
  });

  test("a budget refuses the next call with an error at once, and the client goes on", async (context) => {
    const run = await stage(context);
    const config = priced(run, { budgets: [{ name: "tiny", per: "day", usd: 1.5 * USD }] });
    const { out, charges } = await runClient({ ...run, calls: ["search", "search", "search"], config });
    expect(charges).toEqual(["search"]);
    expect(out[1]).toMatchObject({ text: "found größer" });
    for (const refused of out.slice(2)) {
      expect(refused).toMatchObject({
        ...(transport === "http" && { error: expect.stringMatching(/^(?:Mcp|Protocol)Error$/), code: -32_000 }),
        message: expect.stringMatching(/spendfuse refused this call of all: .*the budget \\*"tiny\\*" has/),
      });
    }
    expect(out).toHaveLength(4);
  });
});
