import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { needApp } from "../apps/installed.ts";
import { type RunOptions, run } from "../package/processes.ts";
import { APART, install } from "../package/projects.ts";
import { clearStage, type Stage, setStage } from "../package/stage.ts";
import { ROOT } from "../package/tarball.ts";
import { answerAgents, USED } from "../servers/agent-vendor.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";

const STAND_IN_FILE = join(import.meta.dirname, "examples/stand-in.mjs");
const STAND_IN = pathToFileURL(STAND_IN_FILE).href;
const NEXT = "node_modules/next/dist/bin/next";
const PRELOADS = ["--import", STAND_IN, "--import", "spendfuse/register"];
const REGISTERED = ["openai", "openai-agents", "langgraph", "ai-sdk"] as const;

/** Calls of each agent of the examples that run to their end. */
const CALLS: Readonly<Record<(typeof REGISTERED)[number], Readonly<Record<string, number>>>> = {
  openai: { researcher: 2, writer: 1 },
  "openai-agents": { writer: 1, editor: 1 },
  langgraph: { draft: 1, edit: 1 },
  "ai-sdk": { chat: 1, summary: 1 },
};
const ELSEWHERE = ["express", "lambda", "own-opentelemetry", ...APART];
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

interface Served {
  readonly app: ChildProcess;
  /** What it has printed until now on both outputs. */
  readonly printed: { text: string };
  /** All that it has printed, once it has ended. */
  readonly closed: Promise<string>;
}

/** Starts a server with Node. */
function serve(args: readonly string[], { cwd, env }: RunOptions): Served {
  const app = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = { text: "" };
  for (const output of [app.stdout, app.stderr])
    output.setEncoding("utf8").on("data", (text) => (printed.text += text));
  return { app, printed, closed: once(app, "close").then(() => printed.text) };
}

/** Asks the server for each path once it has printed its port, and then has it end. */
async function askOf({ app, printed, closed }: Served, port: RegExp, paths: readonly string[]): Promise<string[]> {
  try {
    while (!port.test(printed.text)) {
      const [ended] = await Promise.race([once(app.stdout as Readable, "data"), closed.then(() => [undefined])]);
      if (ended === undefined) throw new Error(`it has ended: ${printed.text}`);
    }
    const url = `http://127.0.0.1:${port.exec(printed.text)?.[1]}`;
    const answers: string[] = [];
    for (const path of paths) {
      const answer = await fetch(url + path, { headers: { connection: "close" } });
      answers.push(await answer.text());
    }
    app.kill("SIGTERM");
    await closed;
    return answers;
  } finally {
    app.kill("SIGKILL");
  }
}

/** The binary of the package for this machine, which the lockfile pins; without one the test cannot run. */
function bunOf(project: string): string {
  const [platform] = readdirSync(join(project, "node_modules/@oven")).filter((name) => /^bun-/.test(name));
  return join(project, "node_modules/@oven", String(platform), "bin/bun");
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
    const app = serve([...PRELOADS, "app.mjs"], { cwd: place("express"), env: { ...environment(), PORT: "0" } });
    expect(await askOf(app, /listening on (\d+)/, ["/ask?q=water"])).toEqual(["hello there"]);
    expect(tableOf(await app.closed)).toEqual({ helpdesk: 1 });
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

describe("an example with a tree of its own runs from the tarball", () => {
  const project = (name: (typeof APART)[number]): string => join(stage.dir, name);

  test.for(APART)("%s installs", async (name, context) => {
    await needApp(context, name);
    await install(name, stage.tarball.path, project(name));
    cpSync(join(ROOT, "examples", name), project(name), { recursive: true });
  });

  test("nest", async (context) => {
    const kept = await needApp(context, "nest");
    const cwd = project("nest");
    await run(process.execPath, [join(kept, "node_modules/typescript/bin/tsc")], { cwd });
    const app = serve([...PRELOADS, "dist/main.js"], { cwd, env: { ...environment(), PORT: "0" } });
    expect(await askOf(app, /listening on (\d+)/, ["/ask?q=water"])).toEqual(["hello there"]);
    expect(tableOf(await app.closed)).toEqual({ helpdesk: 1 });
  });

  test("next", async (context) => {
    await needApp(context, "next");
    const cwd = project("next");
    const env = { ...environment(), NEXT_TELEMETRY_DISABLED: "1" };
    await run(process.execPath, [NEXT, "build"], { cwd, env });
    const app = serve([NEXT, "start", "--port", "0"], { cwd, env: { ...env, NODE_OPTIONS: PRELOADS.join(" ") } });
    const [page, answer] = await askOf(app, /Local: +http:\/\/localhost:(\d+)/, ["/", "/api/ask?q=water"]);
    expect(page).toContain("<main>hello there</main>");
    expect(answer).toBe("hello there");
    expect(tableOf(await app.closed)).toEqual({ "front-page": 1, helpdesk: 1 });
  });

  test("bun", async (context) => {
    await needApp(context, "bun");
    const bun = bunOf(project("bun"));
    const preloads = ["--preload", STAND_IN_FILE, "--preload", "spendfuse/register"];
    const args = ["-c", 'exec "$0" "$@" 2>&1', bun, ...preloads, "app.mjs"];
    const output = await run("sh", args, { cwd: project("bun"), env: environment() });
    expect(output).toContain("hello there");
    expect(tableOf(output), output).toEqual({ researcher: 1, writer: 1 });
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
