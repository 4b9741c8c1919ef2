import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isAgent } from "../../../../src/meter/transports/child-process/launch.ts";
import { run } from "../../../package/processes.ts";
import * as wire from "../../../servers/formats.ts";
import { type ModelServer, startModelServer } from "../../../servers/model-server.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`../../../fixtures/${name}`, import.meta.url));
const CHILD = fixture("program-child.mjs");
const SCOPE = { agent: "flights", rootAgent: "planner", run: "r1" };

let vendor: ModelServer;
let folder: string;
/** A program by the name of an agent's, which is Node. */
let program: string;

beforeAll(async () => {
  vendor = await startModelServer();
  folder = mkdtempSync(join(tmpdir(), "spendfuse-programs-"));
  program = join(folder, "claude");
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "$@"\n`);
  chmodSync(program, 0o755);
});
afterAll(async () => {
  await vendor.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  const usage = { input_tokens: 1000, output_tokens: 100 };
  vendor.play(wire.whole(wire.anthropicMessage({ id: "m", model: "claude-sonnet-4-6" }, [], "end_turn", usage)));
});

interface Result {
  readonly out: string;
  readonly calls: readonly unknown[];
  readonly counted: number;
}

/** What comes of starting a program in one way. */
async function startBy(way: string, file = program, env: Record<string, string> = {}): Promise<Result> {
  const own = { VENDOR: vendor.url, HOST: vendor.host, SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1", ...env };
  const out = await run(process.execPath, [fixture("program-parent.ts"), way, file, CHILD], { cwd: folder, env: own });
  return JSON.parse(out) as Result;
}

describe("Claude Code's own budget", () => {
  const budgets = [
    { name: "agent day", scope: { agent: "*" }, per: "day", usd: 2 },
    { name: "tokens", scope: { agent: "*" }, per: "day", tokens: 1_000 },
  ];
  test.each([
    ["is what is left of the budgets in USD, where it is asked for", true, ["--max-budget-usd", "2.000000"]],
    ["is not set where it is not", undefined, []],
  ])("%s", async (_name, maxBudgetUsd, sent) => {
    const shown = join(folder, "shown", "claude");
    mkdirSync(join(folder, "shown"), { recursive: true });
    writeFileSync(shown, '#!/bin/sh\nprintf "%s " "$@"\n');
    chmodSync(shown, 0o755);
    const proxy = { upstreams: { anthropic: vendor.url }, ...(maxBudgetUsd && { maxBudgetUsd }) };
    const { out } = await startBy("with an order", shown, { MORE: JSON.stringify({ budgets, proxy }) });
    expect(out.trim().split(" ")).toEqual([...sent, "-p", CHILD]);
  });
});

describe("a program's calls are metered in the scope of whoever starts it", () => {
  test.each([
    "spawnSync",
    "execFileSync",
    "execSync",
    "spawn",
    "spawn of a namespace",
    "spawn by a shell",
    "execFile",
    "own environment",
  ])("%s", async (way) => {
    const { out, calls, counted } = await startBy(way);
    expect(out).toBe(way === "own environment" ? "2001" : "200");
    expect(vendor.visits).toHaveLength(1);
    expect(calls).toMatchObject([{ scope: SCOPE, usage: { input: 1000, output: 100 }, ending: "completed" }]);
    expect(counted).toBe(1);
  });

  test("fifty at once", async () => {
    const { out, calls, counted } = await startBy("fifty at once");
    expect([out, calls.length, counted, vendor.visits.length]).toEqual(["200".repeat(50), 50, 50, 50]);
  });

  test("a child that is killed ends its call at the vendor, and the app ends as soon as it is done", async () => {
    vendor.play(
      wire.streamed(
        wire.messageStart(
          wire.anthropicMessage({ id: "m", model: "claude-sonnet-4-6" }, [], null, {
            input_tokens: 9,
            output_tokens: 1,
          }),
        ),
        "hang",
      ),
    );
    const own = { VENDOR: vendor.url, HOST: vendor.host, SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1" };
    const args = [fixture("program-parent.ts"), "a child that is killed", program, CHILD];
    const parent = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, ...own } });
    let out = "";
    parent.stdout.on("data", (chunk) => (out += chunk));
    const closed = once(parent, "close");
    const visit = await vendor.visit(0);
    parent.kill("SIGUSR2");
    expect((await visit.over).by).toBe("client");
    await closed;
    expect(JSON.parse(out)).toMatchObject({ calls: [{ scope: SCOPE, ending: "canceled" }], counted: 1 });
  });

  test("and refused over its budget", async () => {
    const MORE = JSON.stringify({ budgets: [{ scope: { agent: "planner" }, per: "run", usd: 0.000001 }] });
    const { out, calls } = await startBy("spawn", program, { MORE });
    expect(out).toBe("402");
    expect(vendor.visits).toEqual([]);
    expect(calls).toMatchObject([{ scope: SCOPE, ending: "blocked" }]);
  });

  test("and let pass over its budget, where the app is asked and says so", async () => {
    const MORE = JSON.stringify({ budgets: [{ scope: { agent: "planner" }, per: "run", usd: 0.000001 }] });
    const { out, calls } = await startBy("asked before it is refused", program, { MORE });
    expect(out).toBe("200 flights budget");
    expect(calls).toMatchObject([{ scope: SCOPE, ending: "completed" }]);
  });

  test("by its own report, where none reaches the proxy", async () => {
    const usage = { inputTokens: 100, outputTokens: 50, costUSD: 0.25 };
    const report = { type: "result", total_cost_usd: 0.25, modelUsage: { "claude-sonnet-4-6": usage } };
    const apart = join(folder, "apart");
    mkdirSync(apart, { recursive: true });
    const silent = join(apart, "claude");
    writeFileSync(silent, `#!/bin/sh\nprintf '%s\\n' '{"type":"system"}' '${JSON.stringify(report)}'\n`);
    chmodSync(silent, 0o755);
    const { out, calls, counted } = await startBy("its own report", silent);
    expect(out).toBe(`{"type":"system"}\n${JSON.stringify(report)}\n`);
    const record = { scope: SCOPE, usage: { input: 100, output: 50 }, ending: "completed" };
    expect(calls).toMatchObject([record, record]);
    expect(counted).toBe(2);
  });

  test("once, where the program is hooked itself", async () => {
    const NODE_OPTIONS = `--import ${new URL("../../../../src/register.ts", import.meta.url).href}`;
    const { out, calls, counted } = await startBy("spawn", program, { NODE_OPTIONS });
    expect([out, calls.length, counted, vendor.visits.length]).toEqual(["200", 1, 1, 1]);
  });
});

describe("is left as it is", () => {
  test("a program that calls no models", async () => {
    const other = join(folder, "tool");
    writeFileSync(other, `#!/bin/sh\nexec "${process.execPath}" "$@"\n`);
    chmodSync(other, 0o755);
    const { calls } = await startBy("spawn", other, { ANTHROPIC_BASE_URL: vendor.url });
    expect([calls.length, vendor.visits.length]).toEqual([0, 1]);
  });

  test("a program where the transport is switched off", async () => {
    const env = { ANTHROPIC_BASE_URL: vendor.url, MORE: JSON.stringify({ transportsOff: ["child-process"] }) };
    const { calls } = await startBy("spawn", program, env);
    expect([calls.length, vendor.visits.length]).toEqual([0, 1]);
  });

  test("an address that the app gives to its child alone", async () => {
    const { out, calls } = await startBy("own address");
    expect([out, calls.length, vendor.visits.length]).toEqual(["unreachable", 0, 0]);
  });
});

test.each([
  ["claude", ["-p", "x"], true],
  ["/opt/bin/codex", [], true],
  ["/usr/bin/python3.12", ["app.py"], true],
  ["claude.exe", [], true],
  ["/bin/sh", ["-c", "cd x && claude -p 'y'"], true],
  ["bash", ["-lc", "npx @anthropic-ai/claude-code -p y"], true],
  ["node", ["/x/node_modules/@google/gemini-cli/bundle/gemini.js"], true],
  ["npx", ["-y", "opencode-ai@1.18", "run"], true],
  ["git", ["log", "claude"], false],
  ["/bin/sh", ["-c", "ls pythonic"], false],
  ["node", ["server.js"], false],
  ["cat", ["codex"], false],
])("whether %s %j calls models: %s", (file, args, expected) => {
  expect(isAgent({ file, args })).toBe(expected);
});
