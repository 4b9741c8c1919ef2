import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { needApp } from "../apps/installed.ts";
import { type RunOptions, run } from "../package/processes.ts";
import { install } from "../package/projects.ts";
import { clearStage, type Stage, setStage } from "../package/stage.ts";
import { ROOT } from "../package/tarball.ts";
import { answerAgents, USED } from "../servers/agent-vendor.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";

const STAND_IN = pathToFileURL(join(import.meta.dirname, "examples/stand-in.mjs")).href;
const PRELOADS = ["--import", STAND_IN, "--import", "spendfuse/register"];
const REGISTERED = ["openai", "openai-agents", "langgraph", "ai-sdk"] as const;

/** Calls of each agent of the examples that run to their end. */
const CALLS: Readonly<Record<(typeof REGISTERED)[number], Readonly<Record<string, number>>>> = {
  openai: { researcher: 2, writer: 1 },
  "openai-agents": { writer: 1, editor: 1 },
  langgraph: { draft: 1, edit: 1 },
  "ai-sdk": { chat: 1, summary: 1 },
};
const ELSEWHERE = ["express", "lambda", "own-opentelemetry"];
/** They are no apps, and have tests of their own. */
const NO_APPS = ["collector", "terraform"];

let stage: Stage;
let vendor: ModelServer;
beforeAll(async () => {
  [stage, vendor] = await Promise.all([setStage(["empty"]), startModelServer()]);
  vendor.play(answerAgents);
});
afterAll(async () => {
  await vendor?.close();
  if (stage) await clearStage(stage);
});

function environment(): Record<string, string> {
  return { TEST_VENDOR_URL: vendor.url, OPENAI_API_KEY: "sk-test", SPENDFUSE_STATE_DIR: stage.stateDir };
}

/** Runs Node, and gives what it prints on both outputs. */
function runNode(args: readonly string[], options: RunOptions): Promise<string> {
  return run("sh", ["-c", 'exec "$0" "$@" 2>&1', process.execPath, ...args], options);
}

/** Calls by agent, as the table at the end of a process shows them; each must have tokens and a cost. */
function tableOf(output: string): Record<string, number> {
  const rows = output.matchAll(/^(\S+) +(\d+) +([\d,]+) +[\d,]* *([\d,]+) +\$(\d\.\d+) +reported$/gm);
  const calls: Record<string, number> = {};
  for (const [, agent = "", count, input, , cost] of rows) {
    if (agent === "total") continue;
    calls[agent] = Number(count);
    expect(Number(input?.replaceAll(",", ""))).toBe(Number(count) * USED.input);
    expect(Number(cost)).toBeGreaterThan(0);
  }
  return calls;
}

describe("an example runs from the tarball, with nothing configured", () => {
  let project: string;
  const place = (name: string): string => {
    const cwd = join(project, name);
    cpSync(join(ROOT, "examples", name), cwd, { recursive: true });
    return cwd;
  };

  beforeAll(() => {
    project = join(stage.dir, "examples");
  });

  test("installs", async (context) => {
    await needApp(context, "examples");
    await install("examples", stage.tarball.path, project);
  });

  test("each is tested here", () => {
    const folders = readdirSync(join(ROOT, "examples"), { withFileTypes: true }).filter((one) => one.isDirectory());
    expect(folders.map(({ name }) => name).sort()).toEqual([...REGISTERED, ...ELSEWHERE, ...NO_APPS].sort());
  });

  test.for(REGISTERED)("%s", async (name, context) => {
    await needApp(context, "examples");
    const output = await runNode([...PRELOADS, "app.mjs"], { cwd: place(name), env: environment() });
    expect(tableOf(output), output).toEqual(CALLS[name]);
  });

  test("lambda", async (context) => {
    await needApp(context, "examples");
    const call = 'import("./handler.mjs").then(async ({ handler }) => console.log(await handler({ question: "Hi" })))';
    const output = await runNode([...PRELOADS, "-e", call], { cwd: place("lambda"), env: environment() });
    expect(output).toContain("statusCode: 200");
    expect(tableOf(output), output).toEqual({ answerer: 1 });
  });

  test("express", async (context) => {
    await needApp(context, "examples");
    const env = { ...process.env, ...environment(), PORT: "0" };
    const app = spawn(process.execPath, [...PRELOADS, "app.mjs"], { cwd: place("express"), env });
    try {
      let output = "";
      app.stderr.setEncoding("utf8").on("data", (text) => (output += text));
      const closed = once(app, "close");
      const [line] = (await Promise.race([once(createInterface(app.stdout), "line"), closed])) as [string];
      const port = /listening on (\d+)/.exec(line)?.[1];
      expect(port, `${line} ${output}`).toBeDefined();
      const answer = await fetch(`http://127.0.0.1:${port}/ask?q=water`, { headers: { connection: "close" } });
      expect(await answer.text()).toBe("hello there");
      app.kill("SIGTERM");
      await closed;
      expect(tableOf(output), output).toEqual({ helpdesk: 1 });
    } finally {
      app.kill("SIGKILL");
    }
  });

  test("own-opentelemetry", async (context) => {
    await needApp(context, "examples");
    const env = { ...environment(), OTEL_EXPORTER_OTLP_ENDPOINT: stage.receiver.url };
    await runNode([...PRELOADS, "app.mjs"], { cwd: place("own-opentelemetry"), env });
    const tags = { agent: "geographer" };
    expect(stage.receiver.total("spendfuse.calls", tags)).toBe(1);
    expect(stage.receiver.total("spendfuse.tokens", tags)).toBe(USED.input + USED.output);
    expect(stage.receiver.total("spendfuse.cost", tags)).toBeGreaterThan(0);
  });
});

test("a newcomer sees the cost per agent: a folder, an install, an app of five lines, nothing configured", async () => {
  const cwd = join(stage.dir, "empty");
  const app = [
    'import { scope } from "spendfuse";',
    'const headers = { authorization: "Bearer " + process.env.OPENAI_API_KEY, "content-type": "application/json" };',
    'const body = JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "Name a river." }] });',
    'const ask = () => fetch("https://api.openai.com/v1/chat/completions", { method: "POST", headers, body });',
    'for (const agent of ["researcher", "writer"]) await scope({ agent }, async () => (await ask()).json());',
  ];
  writeFileSync(join(cwd, "newcomer.mjs"), app.join("\n"));
  const begun = performance.now();
  const output = await runNode([...PRELOADS, "newcomer.mjs"], { cwd, env: environment() });
  console.log(`newcomer: ${((performance.now() - begun) / 1000).toFixed(1)} s without the install\n${output}`);
  expect(tableOf(output), output).toEqual({ researcher: 1, writer: 1 });
});
