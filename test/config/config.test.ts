import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConfigFile, readConfig } from "../../src/config/config.ts";
import { isSpendfuseError, SpendfuseError } from "../../src/core/errors.ts";
import { createRuntime } from "../../src/process/runtime.ts";

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "spendfuse-config-"));
});

afterAll(() => rmSync(dir, { recursive: true }));

const file = (text: string, name = "spendfuse.config.json"): string => {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
};
const inline = (json: unknown): Record<string, string> => ({ SPENDFUSE_CONFIG: JSON.stringify(json) });

describe("where a value comes from", () => {
  const KEYS = [
    ["agent", "SPENDFUSE_AGENT", "from file", "from env", "from start"],
    ["team", "SPENDFUSE_TEAM", "from file", "from env", "from start"],
    ["project", "SPENDFUSE_PROJECT", "from file", "from env", "from start"],
    ["askUsage", "SPENDFUSE_ASK_USAGE", true, false, true],
    ["genAiMetrics", "SPENDFUSE_GEN_AI_METRICS", true, false, true],
    ["spans", "SPENDFUSE_SPANS", true, false, true],
  ] as const;

  test.each(KEYS)(
    "%s: start() wins over the environment, and that over the file",
    (key, variable, fromFile, fromEnv, fromStart) => {
      const env = inline({ [key]: fromFile });
      const given = { [key]: fromStart } as ConfigFile;
      const set = { ...env, [variable]: String(fromEnv) };
      expect(readConfig({}, env)[key]).toBe(fromFile);
      expect(readConfig({}, set)[key]).toBe(fromEnv);
      expect(readConfig(given, set)[key]).toBe(fromStart);
      expect(readConfig({ [key]: undefined } as unknown as ConfigFile, set)[key]).toBe(fromEnv);
      expect(readConfig({}, { ...env, [variable]: "" })[key]).toBe(fromFile);
      expect(readConfig({}, {})[key]).toBeUndefined();
    },
  );

  test("a named file, or the one in the working directory", () => {
    const path = file('{ "$schema": "x", "agent": "filed", "keys": { "ab12cd34": "prod" } }', "other.json");
    expect(readConfig({}, { SPENDFUSE_CONFIG: path })).toMatchObject({ agent: "filed", keys: { ab12cd34: "prod" } });
    file('{ "agent": "here" }');
    const before = process.cwd();
    process.chdir(dir);
    try {
      expect(readConfig({}, {}).agent).toBe("here");
    } finally {
      process.chdir(before);
    }
  });

  test("it is frozen, and holds the defaults of the scope and the environment", () => {
    const env = { SPENDFUSE_AGENT: "a", OTEL_SERVICE_NAME: "s" };
    const config = readConfig({ team: "t" }, env);
    expect(Object.isFrozen(config) && Object.isFrozen(config.defaults)).toBe(true);
    expect(config.defaults).toEqual({ agent: "a", team: "t" });
    expect(config.env).toBe(env);
  });

  test.each([
    ["1", true],
    ["TRUE", true],
    ["on", true],
    ["yes", true],
    ["0", false],
    ["False", false],
    ["off", false],
    ["no", false],
  ])("%s in the environment is %s", (text, value) => {
    expect(readConfig({}, { SPENDFUSE_SPANS: text }).spans).toBe(value);
  });
});

describe("an error names where, the key and what to write", () => {
  const WRONG: readonly (readonly [
    what: string,
    env: () => Record<string, string>,
    given: unknown,
    says: RegExp,
    facts: object,
  ])[] = [
    [
      "no JSON",
      () => ({ SPENDFUSE_CONFIG: "{ agent: 1 }" }),
      {},
      /^SPENDFUSE_CONFIG is not JSON: /,
      { source: "SPENDFUSE_CONFIG" },
    ],
    ["no JSON in a file", () => ({ SPENDFUSE_CONFIG: file("{", "bad.json") }), {}, /bad\.json is not JSON: /, {}],
    [
      "no such file",
      () => ({ SPENDFUSE_CONFIG: "/nowhere/x.json" }),
      {},
      /SPENDFUSE_CONFIG names \/nowhere\/x\.json, which does not exist/,
      { path: "/nowhere/x.json" },
    ],
    [
      "no object",
      () => ({ SPENDFUSE_CONFIG: file("[1]", "list.json") }),
      {},
      /list\.json must hold one JSON object/,
      {},
    ],
    [
      "a number for a name",
      () => inline({ agent: 5 }),
      {},
      /^SPENDFUSE_CONFIG: "agent" must be a string, not number$/,
      { key: "agent" },
    ],
    [
      "a text for a switch",
      () => inline({ askUsage: "no" }),
      {},
      /"askUsage" must be a boolean, not string/,
      { key: "askUsage" },
    ],
    ["an object for a list", () => inline({ hosts: {} }), {}, /"hosts" must be an array, not object/, { key: "hosts" }],
    ["a list for an object", () => inline({ keys: [] }), {}, /"keys" must be an object, not array/, { key: "keys" }],
    ["null", () => inline({ team: null }), {}, /"team" must be a string, not (object|null)/, { key: "team" }],
    [
      "a host without a name",
      () => inline({ hosts: [{ host: "a" }, { like: "x" }] }),
      {},
      /hosts\[1\] needs a "host", such as "llm\.example\.com"/,
      {},
    ],
    [
      "in start()",
      () => ({}),
      { spans: 1 },
      /^start\(\): "spans" must be a boolean, not number$/,
      { source: "start()", key: "spans" },
    ],
    [
      "in a variable",
      () => ({ SPENDFUSE_SPANS: "maybe" }),
      {},
      /^SPENDFUSE_SPANS must be true or false, not "maybe"$/,
      { variable: "SPENDFUSE_SPANS" },
    ],
  ];

  test.each(WRONG)("%s", (_what, env, given, says, facts) => {
    const read = () => readConfig(given as ConfigFile, env());
    expect(read).toThrow(says);
    expect(read).toThrow(SpendfuseError);
    try {
      read();
    } catch (error) {
      expect(isSpendfuseError(error)).toBe(true);
      expect(error).toMatchObject({ code: "SPENDFUSE_CONFIG", facts });
    }
  });

  test("of a key that is unknown is a warning", () => {
    const said: string[] = [];
    const config = readConfig({ agnet: "x", agent: "a" } as ConfigFile, {}, (message) => said.push(message));
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/^start\(\): "agnet" is unknown; known keys: .*\bagent\b/);
    expect(config.agent).toBe("a");
    expect(config).not.toHaveProperty("agnet");
  });
});

describe("a wrong configuration", () => {
  test("is start()'s own error to its caller", async () => {
    const runtime = createRuntime(() => {});
    const before = globalThis.fetch;
    await expect(runtime.start({ telemetry: false, env: { SPENDFUSE_SPANS: "maybe" } })).rejects.toThrow(
      /SPENDFUSE_SPANS/,
    );
    expect(globalThis.fetch).toBe(before);
  });

  test("that nobody asked for is said aloud, and the app goes on, metered", async () => {
    const said: string[] = [];
    const runtime = createRuntime((message) => said.push(message));
    const calls: unknown[] = [];
    runtime.listeners.add((call) => calls.push(call));
    const inner = async () => Response.json({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } });
    process.env.SPENDFUSE_SPANS = "maybe";
    try {
      const init = { method: "POST", body: '{"messages":[]}' };
      await (await runtime.wrapFetch(inner as typeof fetch)("https://api.openai.com/v1/chat/completions", init)).json();
    } finally {
      delete process.env.SPENDFUSE_SPANS;
    }
    await runtime.flush();
    expect(calls).toHaveLength(1);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/SPENDFUSE_SPANS must be true or false/);
    expect(runtime.faults.counts().get("config")).toBe(1);
  });
});
