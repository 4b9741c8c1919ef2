import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, type TestContext, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { writeAddress } from "../../src/proxy/address.ts";
import { childArguments, childEnvironment } from "../../src/proxy/children.ts";
import { APPS, needApp } from "../apps/installed.ts";
import { needPython } from "../apps/python.ts";
import { type Stage, startStage } from "../proxy/stage.ts";
import { answerAgentSockets, answerAgents, USED } from "../servers/agent-vendor.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const REGISTER = new URL("../../src/register.ts", import.meta.url).href;
const PLATFORM = `${process.platform}-${process.arch}`;
const CALL = /\/(?:messages|responses|chat\/completions)(?:\?|$)|[gG]enerateContent/;
/** They change without the lockfile by which an installed project is known. */
const SCRIPTS = ["claude-sdk.mjs", "codex-sdk.mjs"];
const TIMEOUT_MS = 150_000;

/** A released program, and the calls of one turn. */
interface Program {
  /** Its project of `test/apps`; absent: `agents`, which has most of them. */
  readonly app?: string;
  /** @param modules Where the packages are installed, or the programs of a Python. */
  readonly command: (modules: string) => readonly string[];
  readonly calls: number;
  /** Further requests that only prepare the next one, on a WebSocket; they cost nothing. */
  readonly warmUps?: number;
  /** The agent of its calls where nobody names one. */
  readonly agent: string;
}

/** Of a vendor that takes no WebSockets. */
const OVER_HTTP = "Codex over HTTP";

/** Of Python, so that it is installed by other means. */
const AIDER = "aider";

const PROGRAMS: Readonly<Record<string, Program>> = {
  "Claude Code": {
    command: (modules) => [
      join(modules, `@anthropic-ai/claude-code-${PLATFORM}/claude`),
      ...["-p", "say hello", "--model", "claude-sonnet-4-6"],
    ],
    calls: 1,
    agent: "claude-code",
  },
  Codex: {
    command: (modules) => [join(modules, ".bin/codex"), "exec", "--skip-git-repo-check", "say hello"],
    calls: 1,
    warmUps: 1,
    agent: "codex",
  },
  [OVER_HTTP]: {
    command: (modules) => [join(modules, ".bin/codex"), "exec", "--skip-git-repo-check", "say hello"],
    calls: 1,
    agent: "codex",
  },
  "Gemini CLI": {
    command: (modules) => [join(modules, ".bin/gemini"), "--skip-trust", "-p", "say hello"],
    // A router asks first.
    calls: 2,
    agent: "gemini-cli",
  },
  opencode: {
    command: (modules) => [
      join(modules, `opencode-${PLATFORM}/bin/opencode`),
      ...["run", "--model", "openai/gpt-5", "say hello"],
    ],
    // A title is made first.
    calls: 2,
    agent: "opencode",
  },
  "Qwen Code": {
    app: "qwen",
    command: (modules) => [join(modules, ".bin/qwen"), "-p", "say hello", "--auth-type", "openai", "-m", "gpt-5-mini"],
    calls: 1,
    agent: "qwen-code",
  },
  [AIDER]: {
    app: AIDER,
    command: (programs) => [
      ...[join(programs, "python"), "-m", "aider"],
      ...["--model", "openai/gpt-5-mini", "--message", "say hello", "--no-git", "--yes-always", "--no-check-update"],
      ...[
        "--analytics-disable",
        "--no-show-model-warnings",
        "--no-show-release-notes",
        "--no-detect-urls",
        "--no-pretty",
      ],
    ],
    calls: 1,
    agent: "unknown",
  },
  "Claude Agent SDK": {
    command: (modules) => [process.execPath, join(modules, "../claude-sdk.mjs")],
    calls: 1,
    agent: "claude-code",
  },
  "Codex SDK": {
    command: (modules) => [process.execPath, join(modules, "../codex-sdk.mjs")],
    calls: 1,
    warmUps: 1,
    agent: "codex",
  },
};

/** Apps that start a program; they are hooked, and say nothing of an address. */
const PARENTS = ["Claude Agent SDK", "Codex SDK"];

/** Clients of Python, by the project of `test/apps` that has them. */
const CLIENTS: Readonly<Record<string, readonly string[]>> = {
  "python-clients": [
    ...["openai_whole", "openai_stream", "openai_responses", "anthropic_whole", "anthropic_stream"],
    ...["litellm_openai", "litellm_stream", "litellm_anthropic"],
  ],
  "python-agents": [
    ...["google_genai_whole", "google_genai_stream", "pydantic_ai_openai", "pydantic_ai_anthropic"],
    ...["langchain_openai_whole", "langchain_openai_stream", "openai_agents"],
  ],
};

let vendor: ModelServer;
let home: string;
let stage: Stage | undefined;
let right = 0;

beforeAll(async () => {
  vendor = await startModelServer(answerAgentSockets);
});
afterEach(async () => {
  await stage?.close();
  stage = undefined;
  if (home !== undefined) rmSync(home, { recursive: true, force: true, maxRetries: 5 });
});
afterAll(async () => {
  await vendor.close();
  const all = 3 * Object.keys(PROGRAMS).length + 2 * PARENTS.length + Object.values(CLIENTS).flat().length;
  console.log(`agent programs: ${right} right of ${all}`);
});

/** The environment of a user with a key of each vendor, in a home of its own. */
function makeHome(): Record<string, string | undefined> {
  home = mkdtempSync(join(tmpdir(), "spendfuse-agents-"));
  for (const folder of [".gemini", ".codex", ".qwen"]) mkdirSync(join(home, folder));
  writeFileSync(join(home, ".qwen/settings.json"), JSON.stringify({ memory: { enableManagedAutoMemory: false } }));
  const settings = { security: { auth: { selectedType: "gemini-api-key" } } };
  writeFileSync(join(home, ".gemini/settings.json"), JSON.stringify(settings));
  return {
    PATH: process.env.PATH,
    HOME: home,
    CODEX_HOME: join(home, ".codex"),
    OPENAI_API_KEY: "sk-x",
    CODEX_API_KEY: "sk-x",
    ANTHROPIC_API_KEY: "sk-ant-x",
    GEMINI_API_KEY: "g-x",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
  };
}

interface Ended {
  readonly code: number | null;
  readonly text: string;
}

function runToEnd(command: readonly string[], env: Record<string, string | undefined>): Promise<Ended> {
  const [file = "", ...args] = command;
  const options = { env: env as NodeJS.ProcessEnv, cwd: home, timeout: TIMEOUT_MS, killSignal: "SIGKILL" } as const;
  const child = spawn(file, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, text }));
  });
}

/** Runs a program against a proxy of the test, as `spendfuse proxy` says to. */
async function throughProxy(command: readonly string[], agent?: string, config: ConfigFile = {}): Promise<Ended> {
  vendor.play(answerAgents);
  stage = await startStage(vendor.url, config);
  const { url } = stage.proxy;
  const addresses = {
    openai: writeAddress(url, "openai", { agent }),
    anthropic: writeAddress(url, "anthropic", { agent }),
    gemini: writeAddress(url, "gemini", { agent }),
  };
  const ended = await runToEnd(childArguments(command, addresses), childEnvironment(makeHome(), addresses, url));
  await stage.runtime.flush();
  return ended;
}

function callsAtVendor(): number {
  return vendor.visits.filter(({ path }) => CALL.test(path)).length;
}

/** Anthropic says nothing of reasoning, which is within its output. */
function expectExact({ calls, warmUps = 0 }: Pick<Program, "calls" | "warmUps">, agent: string): void {
  expect(callsAtVendor()).toBe(calls + warmUps);
  expect(stage?.settled).toHaveLength(calls + warmUps);
  const prepared = (call: SettledCall): boolean => call.usage?.input === 0 && call.costUsd === 0;
  expect(stage?.settled.filter(prepared)).toHaveLength(warmUps);
  for (const call of stage?.settled.filter((one) => !prepared(one)) ?? []) {
    const { input, output, cached: cacheRead } = USED;
    const reasoning = call.format === "anthropic-messages" ? 0 : USED.reasoning;
    expect(call).toMatchObject({
      ...{ ending: "completed", quality: "reported", priced: expect.stringMatching(/true|inexact/) },
      ...{ usage: { input, output, cacheRead, reasoning }, scope: { agent, rootAgent: agent } },
    });
  }
}

async function commandOf(context: TestContext, { command, app: own }: Program): Promise<readonly string[]> {
  if (own === AIDER) return command(dirname(await needPython(context, own)));
  if (own !== undefined) return command(join(await needApp(context, own), "node_modules"));
  const app = await needApp(context, "agents");
  for (const script of SCRIPTS) cpSync(join(APPS, "agents", script), join(app, script));
  return command(join(app, "node_modules"));
}

describe.each(Object.entries(PROGRAMS))("%s", (name, program) => {
  beforeEach(() => {
    vendor.takesSockets = name !== OVER_HTTP;
  });

  test("through the proxy: each call exact, one record, the agent by its name", async (context) => {
    const { code, text } = await throughProxy(await commandOf(context, program));
    expect(text).toContain("hello there");
    expect(code).toBe(0);
    expectExact(program, program.agent);
    right += 1;
  });

  test("over its budget it stops within two requests, and its user reads why", async (context) => {
    const budgets = [{ name: "tiny", scope: { agent: "boss" }, per: "hour", usd: 0.000001 }];
    const { text } = await throughProxy(await commandOf(context, program), "boss", { budgets });
    // Some break lines where the terminal would.
    expect(text.replace(/\s+/g, " ")).toMatch(
      /spendfuse refused this call of agent:boss: .*the budget \\*"tiny\\*" has/,
    );
    expect(callsAtVendor()).toBe(0);
    expect(stage?.settled.length).toBeLessThanOrEqual(2);
    for (const call of stage?.settled ?? [])
      expect(call).toMatchObject({ ending: "blocked", scope: { agent: "boss" } });
    right += 1;
  });

  test("started by spendfuse run", async (context) => {
    vendor.play(answerAgents);
    const command = await commandOf(context, program);
    const upstreams = { openai: `${vendor.url}/v1`, anthropic: vendor.url, gemini: vendor.url };
    const config = { hosts: [{ host: vendor.host, like: "api.openai.com" }], proxy: { upstreams } };
    const env = { ...makeHome(), SPENDFUSE_CONFIG: JSON.stringify(config), SPENDFUSE_STATE_DIR: join(home, "state") };
    const { code, text } = await runToEnd([process.execPath, MAIN, "run", "--usd", "1", "--", ...command], env);
    expect(text).toContain("hello there");
    expect(code).toBe(0);
    const calls = program.calls + (program.warmUps ?? 0);
    expect(callsAtVendor()).toBe(calls);
    const sum = new RegExp(`this run spent \\$0\\.00\\d+ of \\$1\\.00 in ${calls} calls?\\n`);
    expect(text).toMatch(sum);
    right += 1;
  });
});

describe.each(PARENTS)("%s as the child of a hooked app", (name) => {
  async function runHooked(context: TestContext, more: ConfigFile = {}): Promise<Ended> {
    vendor.play(answerAgents);
    const [node = "", script = ""] = await commandOf(context, PROGRAMS[name] as Program);
    const upstreams = { openai: `${vendor.url}/v1`, anthropic: vendor.url };
    const config = {
      hosts: [{ host: vendor.host, like: "api.openai.com" }],
      proxy: { upstreams },
      agent: "boss",
      ...more,
    };
    const own = { SPENDFUSE_CONFIG: JSON.stringify(config), SPENDFUSE_DEBUG: "1" };
    const env = { ...makeHome(), ...own, SPENDFUSE_STATE_DIR: join(home, "state") };
    return await runToEnd([node, "--import", REGISTER, script], env);
  }

  test("its call is exact, one record, of the app's agent", async (context) => {
    const { code, text } = await runHooked(context);
    expect(text).toContain("hello there");
    expect(code).toBe(0);
    const { warmUps = 0 } = PROGRAMS[name] as Program;
    expect(callsAtVendor()).toBe(1 + warmUps);
    const records = text.split("\n").filter((line) => line.includes("debug: call"));
    expect(records).toHaveLength(1 + warmUps);
    expect(records.at(-1)).toMatch(
      /completed in \d+ ms; 1000 in \[cache: 200 read, 0 written\], 100 out.*\(reported\).*; agent boss; /,
    );
    right += 1;
  });

  test("its call is refused over the app's budget, and it says why", async (context) => {
    const { text } = await runHooked(context, { budgets: [{ name: "tiny", per: "hour", usd: 0.000001 }] });
    expect(text).toMatch(/spendfuse refused this call of all: .*the budget \\*"tiny\\*" has/);
    expect(callsAtVendor()).toBe(0);
    expect(text.split("\n").filter((line) => line.includes("debug: call")).length).toBeLessThanOrEqual(2);
    right += 1;
  });
});

describe.each(Object.entries(CLIENTS))("Python: %s", (app, clients) => {
  test.for(clients)("%s", async (client, context) => {
    const python = await needPython(context, app);
    const script = join(APPS, app, "clients.py");
    const { code, text } = await throughProxy([python, script, client], "script");
    expect(text).toContain("hello there");
    expect(code).toBe(0);
    expectExact({ calls: 1 }, "script");
    right += 1;
  });
});
