import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { entryUrl } from "../entries.ts";

const REGISTER = entryUrl("register");
const dir = mkdtempSync(join(tmpdir(), "spendfuse-strict-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly lines: readonly string[];
}

let apps = 0;

/** Runs an app in a process of its own, with register before it and the root as its working directory. */
function run(
  env: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
  app = 'console.log("app");',
): Promise<Ended> {
  const home = join(dir, `app-${apps++}`);
  for (const [name, text] of Object.entries({ ...files, "dist/main.mjs": app })) {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), text);
  }
  const { PATH = "", NODE_COMPILE_CACHE = "" } = process.env;
  const child = spawn(process.execPath, ["--import", REGISTER, join(home, "dist/main.mjs")], {
    cwd: "/",
    env: {
      PATH,
      NODE_COMPILE_CACHE,
      OTEL_SDK_DISABLED: "true",
      SPENDFUSE_STATE_DIR: join(home, "state"),
      ...env,
    },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data) => {
    stdout += data;
  });
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  return new Promise((resolve) =>
    child.on("close", (code) => {
      const lines = stderr.replaceAll(home, "HOME").trim().split("\n");
      resolve({ code, stdout, lines: lines.filter((line) => line !== "") });
    }),
  );
}

const FILE = "spendfuse.config.json";
const BUDGETS = '"budgets": [{ "per": "day", "usd": 1 }]';

describe("register", () => {
  test("a guest without a configuration is quiet", async () => {
    expect(await run({})).toEqual({ code: 0, stdout: "app\n", lines: [] });
  });

  test("finds the file above the entry file, and says what is on", async () => {
    const { code, lines } = await run({}, { [FILE]: `{ ${BUDGETS}, "budget": [] }` });
    expect(code).toBe(0);
    expect(lines).toEqual([
      `spendfuse: HOME/${FILE}: unknown key "budget" ignored; did you mean "budgets"?`,
      `spendfuse: guard: enforce, 1 budget, store memory, from HOME/${FILE}`,
    ]);
  });

  test("worker threads do not repeat it", async () => {
    const app = `import { Worker, isMainThread } from "node:worker_threads";
      if (isMainThread) for (let i = 0; i < 2; i++) new Worker(new URL(import.meta.url));
      else console.log("thread");`;
    const { stdout, lines } = await run({ SPENDFUSE_MOED: "x" }, { [FILE]: `{ ${BUDGETS} }` }, app);
    expect(stdout).toBe("thread\nthread\n");
    expect(lines).toEqual([
      "spendfuse: unknown variable SPENDFUSE_MOED ignored; did you mean SPENDFUSE_MODE?",
      `spendfuse: guard: enforce, 1 budget, store memory, from HOME/${FILE}`,
    ]);
  });

  test("an invalid file is ignored as a whole, with what is off", async () => {
    const { code, stdout, lines } = await run({}, { [FILE]: `{ ${BUDGETS}, "breaker": { "port": -1 } }` });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "app\n" });
    expect(lines).toEqual([
      `spendfuse: config ignored: budgets and breaker are OFF: HOME/${FILE}: breaker.port must be a whole number from 0 to 65535, not -1; write "port": 4319`,
    ]);
  });
});

describe("SPENDFUSE_STRICT=1 ends the process before the app's first line", () => {
  const BEFORE = "spendfuse: invalid configuration, and SPENDFUSE_STRICT is set: ";

  test.each<[what: string, env: Record<string, string>, files: Record<string, string>, says: string]>([
    ["an invalid value", {}, { [FILE]: '{ "mode": "on" }' }, `HOME/${FILE}: mode must be one of enforce, shadow, off`],
    ["an unknown key", {}, { [FILE]: '{ "budget": [] }' }, `unknown key "budget"; did you mean "budgets"?`],
    ["an unknown key in a row", {}, { [FILE]: '{ "hosts": [{ "host": "a", "lik": "b" }] }' }, 'did you mean "like"?'],
    ["no JSON", {}, { [FILE]: "{" }, `HOME/${FILE} is not JSON`],
    ["a file that is not there", { SPENDFUSE_CONFIG: "/not/there.json" }, {}, "/not/there.json, which does not exist"],
    ["an unknown variable", { SPENDFUSE_BUDGET: "1" }, {}, "unknown variable SPENDFUSE_BUDGET"],
    ["an invalid variable", { SPENDFUSE_MODE: "on" }, {}, "SPENDFUSE_MODE=enforce"],
  ])("%s", async (_, env, files, says) => {
    const { code, stdout, lines } = await run({ SPENDFUSE_STRICT: "1", ...env }, files);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(lines[0]?.startsWith(BEFORE)).toBe(true);
    expect(lines.join("\n")).toContain(says);
  });

  test("has no effect on a valid one, or on none, which it reports", async () => {
    const valid = await run({ SPENDFUSE_STRICT: "1" }, { [FILE]: `{ ${BUDGETS} }` });
    expect(valid).toMatchObject({ code: 0, stdout: "app\n" });
    const none = await run({ SPENDFUSE_STRICT: "1" });
    expect(none).toMatchObject({ code: 0, stdout: "app\n" });
    expect(none.lines).toEqual(["spendfuse: guard: off, no configuration found"]);
  });
});
