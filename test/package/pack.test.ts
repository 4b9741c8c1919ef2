import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VERSION } from "../../src/package/version.ts";
import { installedApp } from "../meter/identity/frameworks/installed.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../servers/otlp-receiver.ts";
import { COMPILER_NAMES, compile, MODE_NAMES } from "./compilers.ts";
import { untilArrived } from "./leftovers.ts";
import { brokenLinks } from "./links.ts";
import { run } from "./processes.ts";
import { frameworkProgram, jestPrograms, type Program, programsOf } from "./programs.ts";
import { install, layJest, makeHome, otherNode, PROJECTS, type Project } from "./projects.ts";
import { pack, type Tarball } from "./tarball.ts";
import { SPENT, startVendor } from "./vendor.ts";

const FULL = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1) >= 10;
const MB = 1_000_000;
const dir = makeHome();
const stateDir = join(dir, "state");
const rows: string[] = [];
let tarball: Tarball;
let nodes: Readonly<Record<string, string>>;
let vendor: Awaited<ReturnType<typeof startVendor>>;
let receiver: OtlpReceiver;
let agents = 0;
beforeAll(async () => {
  const [packed, node22, node26] = await Promise.all([
    pack(join(dir, "checkout")),
    otherNode("node-22"),
    FULL ? otherNode("node-26") : "",
    installedApp("jest"),
    installedApp("typescript-5"),
  ]);
  tarball = packed;
  // All at once: npm waits more than it works.
  await Promise.all(PROJECTS.map((project) => install(project, packed.path, join(dir, project))));
  nodes = { "Node 22.15": node22, "Node 24": process.execPath, "Node 26": node26 };
  vendor = await startVendor();
  receiver = await startOtlpReceiver();
});

afterAll(async () => {
  console.log(
    `${rows.join("\n")}\n${rows.length} of ${agents} programs metered once, exported, and ended as without us`,
  );
  await Promise.all([vendor?.close(), receiver?.close()]);
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}, 300_000);

/** Everything that a program is told by its environment. */
const environment = (agent: string) => ({
  MODEL_URL: vendor.url,
  GOOGLE_GEMINI_BASE_URL: vendor.url,
  OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  SPENDFUSE_STATE_DIR: stateDir,
  TEST_AGENT: agent,
  DD_TRACE_AGENT_URL: vendor.url,
  DD_INSTRUMENTATION_TELEMETRY_ENABLED: "false",
});

/** Runs a program against the vendor; what it printed and what it exported must both be what it spent. */
async function meter(project: Project, program: Program, version: string): Promise<void> {
  const agent = `agent-${++agents}`;
  const cwd = program.dir ?? join(dir, project);
  const out = await run(nodes[version]!, program.args, {
    cwd,
    code: program.code ?? 0,
    env: { ...environment(agent), ...(!program.scoped && { SPENDFUSE_AGENT: agent }) },
  });
  if (program.code === undefined) {
    const line = out.trim().split("\n").at(-1)!;
    expect(JSON.parse(line), out).toEqual({ ...SPENT, priced: SPENT.calls, agent });
  }
  const exported = program.own ? { calls: 0, tokens: 0 } : { calls: SPENT.calls, tokens: SPENT.input + SPENT.output };
  const hasArrived = () => receiver.total("spendfuse.calls", { agent }) === exported.calls;
  await untilArrived(stateDir, hasArrived, nextStart);
  expect(receiver.total("spendfuse.tokens", { agent })).toBe(exported.tokens);
  rows.push(`${project} | ${version} | ${program.name} | exit code ${program.code ?? 0}`);
}

/** Whatever starts next, and sends what earlier programs have left. */
function nextStart(): Promise<string> {
  return run(process.execPath, ["imports.mjs"], { cwd: join(dir, "empty"), env: environment("next-start") });
}

async function meterAll(project: Project, programs: readonly Program[], version: string): Promise<void> {
  const failed: string[] = [];
  for (const program of programs) {
    await meter(project, program, version).catch((error: Error) => failed.push(`${program.name}: ${error.message}`));
  }
  expect(failed.join("\n\n")).toBe("");
}

/** The oldest Node that we run on and the one that runs the tests; in a long run the newest as well. */
function versions(project: Project): readonly string[] {
  if (FULL) return ["Node 22.15", "Node 24", "Node 26"];
  return project === "empty" ? ["Node 22.15", "Node 24"] : ["Node 24"];
}

describe("the tarball", () => {
  test("holds what runs, once, and nothing else", () => {
    const { files, packedBytes, unpackedBytes } = tarball;
    console.log(`${files.length} files, ${packedBytes / MB} MB packed, ${unpackedBytes / MB} MB unpacked`);
    // 0.6 MB of it are the charts of the sandbox's page.
    expect(unpackedBytes).toBeLessThan(6.5 * MB);
    const bundled = files.filter((file) => /^node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(file));
    expect(files.filter((file) => /\/node_modules\//.test(file))).toEqual([]);
    expect(new Set(bundled).size).toBe(bundled.length);
    expect(files.filter((file) => file.endsWith("LICENSE") && file.startsWith("node_modules/"))).toHaveLength(
      bundled.length,
    );
    expect(files.filter((file) => /\.map$|\.png$|^(src|test|bench)\//.test(file))).toEqual([]);
    const papers = ["package.json", "README.md", "LICENSE", "CHANGELOG.md", "config.schema.json", "docs/billing.md"];
    const assets = ["dashboards/agent_spend.json", "monitors/agent_fast_burn.json", "scenarios/bill_drift.json"];
    for (const file of [...papers, ...assets]) {
      expect(files).toContain(file);
    }
  });

  test("declares what its entries export, each in one file", () => {
    const declarations = tarball.files.filter((file) => /\.d\.[cm]?ts$/.test(file));
    expect(declarations.sort()).toEqual(
      ["index.d.cts", "index.d.ts", "register.d.cts", "register.d.ts"].map((name) => `dist/${name}`),
    );
  });

  test("has no link that leads nowhere on npm", () => {
    const shipped = new Set(tarball.files);
    const pages = tarball.files.filter((file) => file.endsWith(".md") && !file.startsWith("node_modules/"));
    expect(pages).toContain("README.md");
    const checked = [...pages, "CONTRIBUTING.md", "ARCHITECTURE.md"];
    expect(checked.flatMap((page) => brokenLinks(page, shipped))).toEqual([]);
  });
});

describe.each(PROJECTS)("in %s", (project) => {
  const home = join(dir, project);
  let programs: readonly Program[] = [];

  beforeAll(async () => {
    programs = project === "empty" || FULL ? await programsOf(home) : [];
    if (project !== "empty") programs = [frameworkProgram(project), ...programs];
  });

  test.each(versions(project))("runs on %s", async (version) => {
    await meterAll(project, programs, version);
  });
});

test("the program that sends what an app leaves at its end is found in a project, and sends it", async () => {
  const agent = "exits";
  const cwd = join(dir, "empty");
  const env = { ...environment(agent), SPENDFUSE_AGENT: agent, SPENDFUSE_STATE_DIR: join(dir, "exits") };
  const preloads = ["spendfuse/register", "./sender-preload.mjs"].flatMap((path) => ["--import", path]);
  const out = await run(process.execPath, [...preloads, "exits.mjs"], { cwd, env, code: 3 });
  const sender = JSON.parse(out) as { readonly args: readonly string[]; readonly env: Record<string, string> };
  const [script = "", spool = ""] = sender.args;
  expect(receiver.total("spendfuse.calls", { agent })).toBe(0);
  // As it is started, but with time for a busy machine.
  await run(process.execPath, [script, spool, "60000"], { cwd, env: sender.env });
  expect(receiver.total("spendfuse.calls", { agent })).toBe(SPENT.calls);
});

test("runs in Jest", { timeout: 300_000 }, async () => {
  await meterAll("empty", jestPrograms(await layJest(join(dir, "empty"))), "Node 24");
});

describe.each(COMPILER_NAMES)("a consumer in %s", (compiler) => {
  test.concurrent.each(MODE_NAMES)("compiles with module %s", async (mode) => {
    await compile(compiler, mode, join(dir, "empty"));
  });
});

test("the command and the schema are found in a project", async () => {
  const cwd = join(dir, "empty");
  expect(await run("node_modules/.bin/spendfuse", ["--version"], { cwd })).toBe(`${VERSION}\n`);
  const title = await run(process.execPath, ["-p", 'require("spendfuse/config.schema.json").title'], { cwd });
  expect(title).toBe("spendfuse.config.json\n");
});

test("the demo finds out which vendors' SDKs are there", async () => {
  const cwd = join(dir, "empty");
  const demo = spawn(process.execPath, ["node_modules/spendfuse/dist/cli/main.js", "demo"], { cwd });
  // Its first lines say it; what follows runs in the demo's own suite.
  for await (const said of demo.stdout.setEncoding("utf8"))
    if (said.includes("plain fetch instead: openai, @anthropic-ai/sdk, ai")) return void demo.kill();
  expect.fail("the demo did not say which SDKs are missing");
});
