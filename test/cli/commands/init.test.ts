import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { startCommand } from "../../../src/cli/commands/init/start-command.ts";
import { readConfig } from "../../../src/config/config.ts";
import { entryPath } from "../../entries.ts";

const MAIN = entryPath("cli/main");
const FILE = "spendfuse.config.json";
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "spendfuse-init-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const written = (): Record<string, unknown> => JSON.parse(readFileSync(join(folder, FILE), "utf8"));

function init(...args: readonly string[]) {
  return spawnSync(process.execPath, [MAIN, "init", ...args], { cwd: folder, encoding: "utf8" });
}

describe("spendfuse init", () => {
  test("--yes writes a cap that refuses nothing, and says how to start the app", () => {
    writeFileSync(join(folder, "package.json"), '{ "scripts": { "start": "node src/main.js" } }');
    const { status, stdout } = init("--yes");
    expect(status).toBe(0);
    expect(written()).toEqual({
      $schema: "./node_modules/spendfuse/config.schema.json",
      budgets: [{ name: "agent hour", scope: { agent: "*" }, per: "hour", usd: 20, warnAt: 0.8 }],
      mode: "shadow",
    });
    expect(stdout).toContain("Start the app:  node --import spendfuse/register src/main.js\n");
    expect(readConfig({}, { SPENDFUSE_CONFIG: join(folder, FILE) }, () => {}, true).caps).toHaveLength(1);
  });

  test("what is said by options is not asked", () => {
    expect(init("--usd", "$2.50", "--enforce", "--store", "file:spend.db").status).toBe(0);
    expect(written()).toMatchObject({ budgets: [{ usd: 2.5 }], mode: "enforce", store: "file:spend.db" });
  });

  test("a file that is there is kept", () => {
    writeFileSync(join(folder, FILE), '{ "team": "search" }');
    expect(init("--yes")).toMatchObject({ status: 2, stderr: expect.stringContaining("--force replaces it") });
    expect(written()).toEqual({ team: "search" });
    expect(init("--yes", "--force", "--usd", "0").status).toBe(0);
    expect(written()).toEqual({ $schema: "./node_modules/spendfuse/config.schema.json" });
  });

  test.each([
    [[], "no terminal to ask on"],
    [["--yes", "--usd", "much"], "must be an amount of USD"],
    [["--yes", "--usd=-1"], "must be an amount of USD"],
    [["--yes", "--store", "postgres://x"], "store"],
  ])("%j: says what to do, and writes nothing", (args, text) => {
    const { status, stderr } = init(...args);
    expect([status, stderr]).toEqual([2, expect.stringContaining(text)]);
    expect(written).toThrow();
  });

  test("on a terminal it asks three things", async () => {
    const child = spawn("script", ["-qefc", `"${process.execPath}" "${MAIN}" init`, "/dev/null"], { cwd: folder });
    let out = "";
    child.stdout.on("data", (data) => (out += data));
    for (const [question, answer] of [
      ["USD an hour", "5"],
      ["Refuse calls above it", "y"],
      ["Who shares it", ""],
    ]) {
      await vi.waitFor(() => expect(out).toContain(question), 20_000);
      child.stdin.write(`${answer}\n`);
    }
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(0);
    expect(written()).toMatchObject({ budgets: [{ usd: 5 }], mode: "enforce" });
    expect(written()).not.toHaveProperty("store");
  });
});

test.each([
  [{}, "node --import spendfuse/register app.js"],
  [{ main: "lib/app.cjs" }, "node --import spendfuse/register lib/app.cjs"],
  [{ scripts: { start: "node ." } }, "node --import spendfuse/register ."],
  [
    { scripts: { start: "NODE_ENV=production node --enable-source-maps x.js" } },
    "NODE_ENV=production node --import spendfuse/register --enable-source-maps x.js",
  ],
  [{ scripts: { start: "node --import spendfuse/register x.js" } }, "npm start"],
  [
    { scripts: { start: "next start" } },
    'NODE_OPTIONS="--import $PWD/node_modules/spendfuse/dist/register.js" npm start',
  ],
  [
    { scripts: { start: "ts-node app.ts" } },
    'NODE_OPTIONS="--import $PWD/node_modules/spendfuse/dist/register.js" npm start',
  ],
  [{ scripts: { start: 7 }, main: 7 }, "node --import spendfuse/register app.js"],
])("%j starts by %s", (manifest, command) => {
  expect(startCommand(manifest)).toBe(command);
});
