import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "../../src/config/config.ts";
import { findFile } from "../../src/config/file.ts";
import { KEY_VARIABLES } from "../../src/config/schema/variables.ts";
import { exampleOf } from "../../src/config/suggestion.ts";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { createRuntime } from "../../src/process/runtime.ts";
import { places } from "./values.ts";

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "spendfuse-config-"));
});

afterAll(() => rmSync(dir, { recursive: true }));

function file(text: string, name = "spendfuse.config.json"): string {
  const path = join(dir, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const inline = (json: unknown): Record<string, string> => ({ SPENDFUSE_CONFIG: JSON.stringify(json) });

describe("where a value comes from", () => {
  const KEYS = [
    ["agent", "SPENDFUSE_AGENT", "from file", "from env", "from start"],
    ["team", "SPENDFUSE_TEAM", "from file", "from env", "from start"],
    ["project", "SPENDFUSE_PROJECT", "from file", "from env", "from start"],
    ["askUsage", "SPENDFUSE_ASK_USAGE", true, false, true],
    ["genAiMetrics", "SPENDFUSE_GEN_AI_METRICS", true, false, true],
    ["spans", "SPENDFUSE_SPANS", true, false, true],
    ["stateTimeout", "SPENDFUSE_STATE_TIMEOUT", "1s", "2s", "3s"],
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

  test("the keys of a section are merged, each from where it was said last", () => {
    const env = { ...inline({ breaker: { ttl: "1m", host: "::1" } }), SPENDFUSE_BREAKER_HOST: "127.0.0.2" };
    const given = { breaker: { port: 1, host: undefined } } as unknown as ConfigFile;
    expect(readConfig(given, env).breaker).toEqual({ ttl: "1m", host: "127.0.0.2", port: 1 });
  });

  test.each(KEY_VARIABLES.map(({ name, path }) => [name, path] as const))("%s", (name, path) => {
    const { node } = places().find((place) => place.path === path.join("."))!;
    const value = exampleOf(node);
    const needed = path[0] === "repeats" ? { SPENDFUSE_REPEATS_MAX: "2", SPENDFUSE_REPEATS_WITHIN: "1m" } : {};
    const text = Array.isArray(value) ? value.join(" , ") : ` ${value} `;
    const config = readConfig({}, { ...needed, [name]: text }) as unknown as Record<string, never>;
    expect(path.reduce((object, key) => object[key]!, config)).toEqual(value);
  });

  test("the names that others depend on are as the rule makes them", () => {
    const names = KEY_VARIABLES.map(({ name }) => name);
    const fixed = ["AGENT", "TEAM", "PROJECT", "MODE", "STORE", "BREAKER_URL", "BAGGAGE_SEND", "BILL"];
    for (const name of fixed) expect(names).toContain(`SPENDFUSE_${name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  test("it is frozen, and holds the defaults of the scope, its source and the environment", () => {
    const env = { SPENDFUSE_AGENT: "a", OTEL_SERVICE_NAME: "s", SPENDFUSE_CONFIG: "{}" };
    const config = readConfig({ team: "t" }, env);
    expect(Object.isFrozen(config) && Object.isFrozen(config.defaults)).toBe(true);
    expect(config.defaults).toEqual({ agent: "a", team: "t" });
    expect(config.source).toBe("SPENDFUSE_CONFIG");
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

describe("the file", () => {
  test("is the one that SPENDFUSE_CONFIG names, else the one in the working directory", () => {
    const path = file('{ "$schema": "x", "agent": "filed", "keys": { "ab12cd34": "prod" } }', "other.json");
    const config = readConfig({}, { SPENDFUSE_CONFIG: path });
    expect(config).toMatchObject({ agent: "filed", keys: { ab12cd34: "prod" }, source: path });
    expect(config).not.toHaveProperty("$schema");
    file('{ "agent": "here" }', "cwd/spendfuse.config.json");
    const before = process.cwd();
    process.chdir(join(dir, "cwd"));
    try {
      expect(readConfig({}, {}).agent).toBe("here");
    } finally {
      process.chdir(before);
    }
  });

  test("else the first one above the program's entry file, whose links are followed", () => {
    const found = file("{}", "app/spendfuse.config.json");
    const entry = file("", "app/packages/one/dist/main.js");
    const link = join(dir, "bin.js");
    symlinkSync(entry, link);
    expect(findFile("/", entry)).toBe(found);
    expect(findFile("/", link)).toBe(found);
    expect(findFile(undefined, join(dir, "app/not-there.js"))).toBe(found);
    const nearer = file("{}", "app/packages/one/spendfuse.config.json");
    expect(findFile("/", entry)).toBe(nearer);
    const here = file("{}", "cwd/spendfuse.config.json");
    expect(findFile(join(dir, "cwd"), entry)).toBe(here);
    expect(findFile("/", join(tmpdir(), "main.js"))).toBeUndefined();
    expect(findFile("/", undefined)).toBeUndefined();
  });

  test("is found for PM2, which starts another entry than the app's", () => {
    const found = file('{ "agent": "managed" }', "managed/spendfuse.config.json");
    const path = join(dir, "managed/server.js");
    const wanted = { agent: "managed", source: found };
    expect(readConfig({}, { pm_exec_path: path })).toMatchObject(wanted);
    expect(readConfig({}, { pm2_env: JSON.stringify({ pm_exec_path: path }) })).toMatchObject(wanted);
    expect(readConfig({}, { pm2_env: "{" }).source).toBeUndefined();
  });
});

describe("a wrong configuration", () => {
  test("throws from start()", async () => {
    const runtime = createRuntime(() => {});
    const before = globalThis.fetch;
    const start = runtime.start({ telemetry: false, env: { SPENDFUSE_SPANS: "maybe" } });
    await expect(start).rejects.toThrow(/SPENDFUSE_SPANS/);
    expect(globalThis.fetch).toBe(before);
  });

  test.each([
    ["{}", "the defaults hold"],
    ['{ "budgets": [{ "per": "day", "usd": 1 }] }', "budgets are OFF"],
    ['{ "store": "memory" }', "store is OFF"],
    ['{ "budgets": [], "store": "memory", "breaker": { "port": 0 } }', "budgets, store and breaker are OFF"],
    ["{", "budgets, store and breaker are OFF"],
  ])("of %s, found by default, is reported with what is off, and the app continues, metered", async (json, off) => {
    const said: string[] = [];
    const runtime = createRuntime((message) => said.push(message));
    const calls: unknown[] = [];
    runtime.listeners.add((call) => calls.push(call));
    const inner = async () => Response.json({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } });
    Object.assign(process.env, { SPENDFUSE_SPANS: "maybe", SPENDFUSE_CONFIG: json });
    try {
      const init = { method: "POST", body: '{"messages":[]}' };
      await (await runtime.wrapFetch(inner as typeof fetch)("https://api.openai.com/v1/chat/completions", init)).json();
    } finally {
      delete process.env.SPENDFUSE_SPANS;
      delete process.env.SPENDFUSE_CONFIG;
    }
    await runtime.flush();
    expect(calls).toHaveLength(1);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(`config ignored: ${off}: `);
    expect(said[0]).toMatch(json === "{" ? "SPENDFUSE_CONFIG is not JSON" : "SPENDFUSE_SPANS must be true or false");
    expect(runtime.faults.counts().get("config")).toBe(1);
  });
});
