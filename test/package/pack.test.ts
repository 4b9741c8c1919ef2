import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VERSION } from "../../src/package/version.ts";
import { installedApp } from "../apps/installed.ts";
import { COMPILER_NAMES, compile, MODE_NAMES } from "./compilers.ts";
import { brokenLinks } from "./links.ts";
import { run } from "./processes.ts";
import { jestPrograms, programsOf } from "./programs.ts";
import { layJest } from "./projects.ts";
import { clearStage, environmentOf, meterAll, NODES, type Node, type Stage, setStage } from "./stage.ts";
import { SPENT } from "./vendor.ts";

const MB = 1_000_000;
let stage: Stage;

beforeAll(async () => {
  [stage] = await Promise.all([setStage(["empty"]), installedApp("jest"), installedApp("typescript-5")]);
});
afterAll(() => stage && clearStage(stage));

describe("the tarball", () => {
  test("holds what runs, once, and nothing else", () => {
    const { files, packedBytes, unpackedBytes } = stage.tarball;
    console.log(`${files.length} files, ${packedBytes / MB} MB packed, ${unpackedBytes / MB} MB unpacked`);
    // 0.6 MB of it are the charts of the sandbox's page; what an app loads is there twice, apart from the commands.
    expect(unpackedBytes).toBeLessThan(9.5 * MB);
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
    const declarations = stage.tarball.files.filter((file) => /\.d\.[cm]?ts$/.test(file));
    expect(declarations.sort()).toEqual(
      ["index.d.cts", "index.d.ts", "register.d.cts", "register.d.ts"].map((name) => `dist/${name}`),
    );
  });

  test("has no link that leads nowhere on npm", () => {
    const shipped = new Set(stage.tarball.files);
    const pages = stage.tarball.files.filter((file) => file.endsWith(".md") && !file.startsWith("node_modules/"));
    expect(pages).toContain("README.md");
    const checked = [...pages, "CONTRIBUTING.md", "ARCHITECTURE.md"];
    expect(checked.flatMap((page) => brokenLinks(page, shipped))).toEqual([]);
  });
});

// A long run tries the oldest Node too; `npm run test:real` all of them, beside the tarball.
const SCALE = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
test.each([...(SCALE > 1 ? [NODES[0]] : []), NODES.at(-1)] as Node[])(
  "every way to load it works on $name",
  async (node) => {
    await meterAll(stage, "empty", await programsOf(join(stage.dir, "empty")), node);
  },
);

test("the program that sends what an app leaves at its end is found in a project, and sends it", async () => {
  const agent = "exits";
  const cwd = join(stage.dir, "empty");
  const env = { ...environmentOf(stage, agent), SPENDFUSE_AGENT: agent, SPENDFUSE_STATE_DIR: join(stage.dir, "exits") };
  const preloads = ["spendfuse/register", "./sender-preload.mjs"].flatMap((path) => ["--import", path]);
  const out = await run(process.execPath, [...preloads, "exits.mjs"], { cwd, env, code: 3 });
  const sender = JSON.parse(out) as { readonly args: readonly string[]; readonly env: Record<string, string> };
  const [script = "", spool = ""] = sender.args;
  expect(stage.receiver.total("spendfuse.calls", { agent })).toBe(0);
  // As it is started, but with time for a busy machine.
  await run(process.execPath, [script, spool, "60000"], { cwd, env: sender.env });
  expect(stage.receiver.total("spendfuse.calls", { agent })).toBe(SPENT.calls);
});

test("runs in Jest", { timeout: 300_000 }, async () => {
  await meterAll(stage, "empty", jestPrograms(await layJest(join(stage.dir, "empty"))));
});

describe.each(COMPILER_NAMES)("a consumer in %s", (compiler) => {
  test.concurrent.each(MODE_NAMES)("compiles with module %s", async (mode) => {
    await compile(compiler, mode, join(stage.dir, "empty"));
  });
});

test("the command and the schema are found in a project", async () => {
  const cwd = join(stage.dir, "empty");
  expect(await run("node_modules/.bin/spendfuse", ["--version"], { cwd })).toBe(`${VERSION}\n`);
  const title = await run(process.execPath, ["-p", 'require("spendfuse/config.schema.json").title'], { cwd });
  expect(title).toBe("spendfuse.config.json\n");
});

test("the demo finds out which vendors' SDKs are there", async () => {
  const cwd = join(stage.dir, "empty");
  const demo = spawn(process.execPath, ["node_modules/spendfuse/dist/cli/main.js", "demo"], { cwd });
  // Its first lines say it; what follows runs in the demo's own suite.
  for await (const said of demo.stdout.setEncoding("utf8"))
    if (said.includes("plain fetch instead: openai, @anthropic-ai/sdk, ai")) return void demo.kill();
  expect.fail("the demo did not say which SDKs are missing");
});
