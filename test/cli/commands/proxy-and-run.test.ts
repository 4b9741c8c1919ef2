import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import { childArguments, childEnvironment, readUpstreams } from "../../../src/proxy/children.ts";
import { entryPath } from "../../entries.ts";
import { eventually } from "../../eventually.ts";
import * as wire from "../../servers/formats.ts";
import { type ModelServer, startModelServer } from "../../servers/model-server.ts";

const MAIN = entryPath("cli/main");
let vendor: ModelServer;
let folder: string;
beforeAll(async () => {
  vendor = await startModelServer();
  folder = mkdtempSync(join(tmpdir(), "spendfuse-run-"));
});
afterAll(async () => {
  await vendor.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  // 0.45 cents a call.
  const usage = { input_tokens: 1000, output_tokens: 100 };
  vendor.play(wire.whole(wire.anthropicMessage({ id: "m", model: "claude-sonnet-4-6" }, [], "end_turn", usage)));
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A command of ours as a process of its own, whose environment names the vendor as Anthropic's address. */
function start(args: readonly string[], env: Record<string, string> = {}) {
  const config = { hosts: [{ host: vendor.host, like: "api.anthropic.com" }] };
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      SPENDFUSE_STATE_DIR: join(folder, "state"),
      SPENDFUSE_CONFIG: JSON.stringify(config),
      SPENDFUSE_QUIET: "1",
      ANTHROPIC_BASE_URL: vendor.url,
      ...env,
    },
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, out, err })));
  return { child, ended, out: () => out };
}

const ASK = `const send = () => fetch(process.env.ANTHROPIC_BASE_URL + "/v1/messages", { method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ model: "claude-sonnet-4-6", max_tokens: 100, messages: [{ role: "user", content: "Hi" }] }) });`;

/** A program that makes calls one after another, prints the status of each, and ends with 7. */
function program(calls: number): readonly string[] {
  const code = `${ASK} for (let n = 0; n < ${calls}; n++) { const a = await send(); await a.text(); console.log(a.status) }
    process.exitCode = 7`;
  return [process.execPath, "--input-type=module", "-e", code];
}

describe("spendfuse run", () => {
  test("caps the run, warns before, and says what it spent; output and exit code are the program's", async () => {
    const { ended } = start(["run", "--agent", "writer", "--usd", "0.02", "--", ...program(6)]);
    const { code, out, err } = await ended;
    expect(code).toBe(7);
    expect(out).toBe("200\n200\n200\n200\n402\n402\n");
    expect(vendor.visits).toHaveLength(4);
    expect(err).toMatch(/budget "this run" of run:\S+ is 90 % spent/);
    expect(err.trim().split("\n").at(-1)).toBe(
      "spendfuse: this run spent $0.0180 of $0.0200 in 4 calls, 2 calls refused",
    );
  });

  test("gives each run a cap of its own, whatever the configuration caps", async () => {
    const config = {
      hosts: [{ host: vendor.host, like: "api.anthropic.com" }],
      budgets: [{ name: "day", scope: { agent: "*" }, per: "day", usd: 0.01 }],
    };
    const env = { SPENDFUSE_CONFIG: JSON.stringify(config) };
    const { out } = await start(["run", "--usd", "1", "--", ...program(4)], env).ended;
    expect(out).toBe("200\n200\n402\n402\n");
  });

  describe("a model without a price", () => {
    const usage = { input_tokens: 1000, output_tokens: 100 };
    const unpriced = (): void =>
      vendor.play(wire.whole(wire.anthropicMessage({ id: "m", model: "own-model-9" }, [], "end_turn", usage)));
    const command = program(2).map((word) => word.replaceAll("claude-sonnet-4-6", "own-model-9"));

    test("passes a cap in USD, and is said at once and at the end", async () => {
      unpriced();
      const { out, err } = await start(["run", "--usd", "1", "--", ...command]).ended;
      expect(out).toBe("200\n200\n");
      expect(err.match(/the price of own-model-9 is not known, so --usd does not count it/g)).toHaveLength(1);
      expect(err.trim().split("\n").at(-1)).toBe(
        "spendfuse: this run spent $0.00 of $1.00 in 2 calls, the cost of 2 calls is not known, not priced: own-model-9",
      );
    });

    test.each([
      [["--strict"], {}],
      [[], { SPENDFUSE_STRICT: "1" }],
    ])("is refused with %j %j", async (flags, env) => {
      unpriced();
      const { out } = await start(["run", "--usd", "1", ...flags, "--", ...command], env as Record<string, string>)
        .ended;
      expect(out).toBe("402\n402\n");
      expect(vendor.visits).toHaveLength(0);
    });
  });

  test("calls on a subscription count at list price, and are said", async () => {
    const [node = "", ...rest] = program(6).map((word) =>
      word.replace('"content-type"', 'authorization: "Bearer sk-ant-oat01-x", "content-type"'),
    );
    const { out, err } = await start(["run", "--usd", "0.02", "--", node, ...rest]).ended;
    expect(out).toBe("200\n200\n200\n200\n402\n402\n");
    expect(err).toContain("$0.0180 of it on a subscription, at list price");
  });

  test("passes signals on, and ends as the program does", async () => {
    const code = `process.on("SIGTERM", () => { console.log("stopping"); process.exit(3) }); console.log("up"); setInterval(() => {}, 1e6)`;
    const { child, ended, out } = start(["run", "--", process.execPath, "-e", code]);
    await eventually(() => expect(out()).toBe("up\n"));
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 3, out: "up\nstopping\n" });
  });

  test("that a signal ends has the code that shells give it", async () => {
    const { code } = await start(["run", "--", process.execPath, "-e", 'process.kill(process.pid, "SIGKILL")']).ended;
    expect(code).toBe(128 + 9);
  });

  test("leaves stdin to the program", async () => {
    const code = `process.stdin.on("data", (d) => process.stdout.write("read " + d)).on("end", () => process.exit(0))`;
    const { child, ended } = start(["run", "--", process.execPath, "-e", code]);
    child.stdin.end("these words");
    expect(await ended).toMatchObject({ code: 0, out: "read these words" });
  });

  test.each([
    [["run"], {}, /name the program after --/],
    [["run", "--usd", "0", "--", "true"], {}, /--usd must be an amount above 0/],
    [["run", "--usd", "five", "--", "true"], {}, /--usd must be an amount above 0/],
    [["run", "--", "no-such-program-here"], {}, /cannot start no-such-program-here: there is no such program/],
    [["run", "--usd", "1", "--", "true"], { SPENDFUSE_MODE: "shadow" }, /refuses no call while "mode" is "shadow"/],
  ])("%j is invalid usage", async (args, env, message) => {
    const { code, err } = await start(args, env as Record<string, string>).ended;
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});

test("spendfuse proxy serves until it is stopped, and writes a line per call", async () => {
  const calls = join(folder, "calls.jsonl");
  const upstreams = { anthropic: vendor.url };
  const config = { hosts: [{ host: vendor.host, like: "api.anthropic.com" }], proxy: { upstreams } };
  const { child, ended, out } = start(["proxy", "--port", "0", "--agent", "writer", "--calls", calls], {
    SPENDFUSE_CONFIG: JSON.stringify(config),
  });
  await eventually(() => expect(out()).toContain("opencode"));
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(out())?.[0] as string;
  for (const [name, line] of [
    ["Claude Code", `ANTHROPIC_BASE_URL=${url}/anthropic claude`],
    ["Codex", `codex -c 'openai_base_url="${url}/openai/v1"'`],
    ["Gemini CLI", `GOOGLE_GEMINI_BASE_URL=${url}/gemini gemini`],
  ] as const) {
    expect(out()).toMatch(new RegExp(`${name} +${line.replace(/[.?()]/g, "\\$&")}`));
  }
  const answer = await fetch(`${url}/anthropic/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": "sk-secret-key" },
    body: JSON.stringify({ model: "claude-sonnet-4-6", max_tokens: 9, messages: [] }),
  });
  expect(await answer.json()).toMatchObject({ id: "m" });
  child.kill("SIGTERM");
  const { code, out: printed, err } = await ended;
  expect(code).toBe(0);
  const written = readFileSync(calls, "utf8");
  const lines = written.trim().split("\n");
  expect(lines.map((line) => JSON.parse(line) as SettledCall)).toMatchObject([
    { scope: { agent: "writer" }, usage: { input: 1000, output: 100 }, costUsd: 0.0045 },
  ]);
  expect(printed + err + written).not.toContain("sk-secret-key");
});

const AT = { openai: "http://p/openai/v1", anthropic: "http://p/anthropic", gemini: "http://p/gemini" };

test.each([
  [
    ["codex", "exec", "x"],
    ["codex", "-c", 'openai_base_url="http://p/openai/v1"', "exec", "x"],
  ],
  [["/usr/bin/codex"], ["/usr/bin/codex", "-c", 'openai_base_url="http://p/openai/v1"']],
  [
    ["npx", "-y", "@openai/codex@0.171.0", "exec"],
    ["npx", "-y", "@openai/codex@0.171.0", "-c", 'openai_base_url="http://p/openai/v1"', "exec"],
  ],
  [
    ["claude", "-p", "codex"],
    ["claude", "-p", "codex"],
  ],
  [
    ["cat", "codex"],
    ["cat", "codex"],
  ],
])("the address of Codex is an argument: %j", (command, expected) => {
  expect(childArguments(command, AT)).toEqual(expected);
});

test("a program's environment keeps what it has", () => {
  const env = childEnvironment({ HOME: "/h", OPENAI_BASE_URL: "http://own/v1", NO_PROXY: "a.example" }, AT, "http://p");
  expect(env).toEqual({
    HOME: "/h",
    OPENAI_BASE_URL: AT.openai,
    OPENAI_API_BASE: AT.openai,
    ANTHROPIC_BASE_URL: AT.anthropic,
    GOOGLE_GEMINI_BASE_URL: AT.gemini,
    CODE_ASSIST_ENDPOINT: AT.gemini,
    NO_PROXY: "a.example,127.0.0.1,localhost",
    no_proxy: "a.example,127.0.0.1,localhost",
    SPENDFUSE_PROXY_URL: "http://p",
  });
});

test.each([
  [{}, {}],
  [{ OPENAI_BASE_URL: "http://own/v1/" }, { openai: "http://own/v1" }],
  [{ OPENAI_API_BASE: "http://own/v1" }, { openai: "http://own/v1" }],
  [{ ANTHROPIC_BASE_URL: "http://own/v1" }, { anthropic: "http://own" }],
  [{ ANTHROPIC_BASE_URL: "nonsense", GOOGLE_GEMINI_BASE_URL: "" }, {}],
])("addresses that %j named are the upstreams", (env, expected) => {
  expect(readUpstreams(env)).toEqual(expected);
});
