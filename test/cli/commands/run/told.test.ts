import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectReport } from "../../../../src/cli/commands/run/told.ts";
import { entryPath } from "../../../entries.ts";
import * as wire from "../../../servers/formats.ts";
import { type ModelServer, startModelServer } from "../../../servers/model-server.ts";

const MAIN = entryPath("cli/main");
/** 3 MB, more than any pipe holds, with bytes that are no UTF-8. */
const BYTES = "Buffer.alloc(3_000_000, Buffer.from([10, 123, 255, 0, 34]))";

let vendor: ModelServer;
let folder: string;
beforeAll(async () => {
  vendor = await startModelServer();
  const usage = { input_tokens: 1000, output_tokens: 100 };
  vendor.play(wire.whole(wire.anthropicMessage({ id: "m", model: "claude-sonnet-4-6" }, [], "end_turn", usage)));
  folder = mkdtempSync(join(tmpdir(), "spendfuse-told-"));
});
afterAll(async () => {
  await vendor.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A program named `claude`, which may call a model, and that says that it has spent so much. */
function writeClaude(usd: number, calls: number, more = ""): string {
  const path = join(folder, "claude");
  const result = {
    type: "result",
    total_cost_usd: usd,
    modelUsage: { "claude-sonnet-4-6": { inputTokens: 900, outputTokens: 90, costUSD: usd } },
  };
  const body = JSON.stringify({
    model: "claude-sonnet-4-6",
    max_tokens: 9,
    messages: [{ role: "user", content: "Hi" }],
  });
  const ask = `await (await fetch(process.env.ANTHROPIC_BASE_URL + "/v1/messages",
    { method: "POST", headers: { "content-type": "application/json" }, body: ${JSON.stringify(body)} })).text();`;
  const lines = [`#!${process.execPath} --input-type=module`, "(async () => {", ...Array(calls).fill(ask), more];
  lines.push(`console.log(${JSON.stringify(JSON.stringify(result))});`, "process.exitCode = 5;", "})();");
  writeFileSync(path, lines.join("\n").replace(" --input-type=module", ""));
  chmodSync(path, 0o755);
  return path;
}

interface Ended {
  readonly code: number | null;
  readonly out: Buffer;
  readonly err: string;
}

function start(command: readonly string[], read = true): Promise<Ended> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, {
    cwd: folder,
    env: {
      ...{ PATH: process.env.PATH, HOME: folder, SPENDFUSE_STATE_DIR: join(folder, "state"), SPENDFUSE_QUIET: "1" },
      SPENDFUSE_CONFIG: JSON.stringify({ hosts: [{ host: vendor.host, like: "api.anthropic.com" }] }),
      SPENDFUSE_STORE: `file:${join(folder, "spend.db")}`,
      ANTHROPIC_BASE_URL: vendor.url,
    },
  });
  const out: Buffer[] = [];
  let err = "";
  if (read) child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  else child.stdout.destroy();
  child.stderr.on("data", (chunk) => (err += chunk));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out: Buffer.concat(out), err })));
}

const ours = (...command: readonly string[]) => [
  process.execPath,
  "--no-warnings",
  MAIN,
  "run",
  "--usd",
  "1",
  "--",
  ...command,
];
const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

test("output and exit code are those of the bare program, to the byte", async () => {
  const path = writeClaude(0.25, 0, `await new Promise((done) => process.stdout.write(${BYTES}, done));`);
  const bare = await start([path, "-p", "x"]);
  const run = await start(ours(path, "-p", "x"));
  expect(bare.out.length).toBeGreaterThan(3_000_000);
  expect([run.out.length, digest(run.out), run.code]).toEqual([bare.out.length, digest(bare.out), bare.code]);
});

test("a program of whose calls none came is on record by its own report", async () => {
  const { err } = await start(ours(writeClaude(0.25, 0), "-p", "x"));
  expect(err).toContain("no call of claude reached the proxy: what it spent is by its own report");
  expect(err).toContain("this run spent $0.25 of $1.00 in 1 call");
  // The proxy that it was given is the run's own.
  expect(err).not.toContain("are not metered");
  const { out } = await start([process.execPath, "--no-warnings", MAIN, "report", "--json"]);
  const { rows } = JSON.parse(out.toString()) as { rows: { agent: string; meteredUsd: string }[] };
  const row = rows.find(({ agent }) => agent === "claude");
  expect(Number(row?.meteredUsd) % 0.25).toBe(0);
  expect(Number(row?.meteredUsd)).toBeGreaterThan(0);
}, 30_000);

test("calls that were metered are the record, and its report is compared with them", async () => {
  const { err } = await start(ours(writeClaude(0.5, 2), "-p", "x"));
  expect(err).toContain("claude: metered $0.0090, by its own report $0.5000; they differ by $0.4910");
  expect(err).toContain("this run spent $0.0090 of $1.00 in 2 calls");
  const same = await start(ours(writeClaude(0.009, 2), "-p", "x"));
  expect(same.err).not.toContain("by its own report");
});

test("an earlier session's report is not this run's", async () => {
  const { err } = await start(ours(writeClaude(0.5, 0), "-p", "x", "--resume", "id"));
  expect(err).toContain("its own report is of the earlier session too: this run is not metered");
  expect(err).toContain("this run spent $0.00 of $1.00 in 0 calls");
});

test("a program whose reader has gone ends, as it would by itself", async () => {
  const path = writeClaude(
    0.25,
    0,
    `process.stdout.on("error", () => process.exit(9)); for (;;) await new Promise((done) => process.stdout.write(${BYTES}, done));`,
  );
  expect((await start([path], false)).code).toBe(9);
  expect((await start(ours(path), false)).code).toBe(9);
});

test.each([
  [["claude", "-p", "x"], false, true],
  [["npx", "@anthropic-ai/claude-code", "-p", "x"], false, true],
  [["codex", "exec", "--json", "x"], false, true],
  [["claude", "-p", "x"], true, false],
  [["aider"], false, false],
  [["node", "app.js"], false, false],
])("%j on a terminal %s: a report is expected %s", (words, isTTY, expected) => {
  expect(expectReport(words, { isTTY }) !== undefined).toBe(expected);
});
