import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/config/config.ts";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { isSpendfuseError, type SpendfuseError } from "../../src/core/errors.ts";
import { createRuntime, type StartOptions } from "../../src/process/runtime.ts";

const DAY = { per: "day", usd: 1 };
const PRICE = { model: "m", inputPerMTok: 1, outputPerMTok: 1 };

/** What is wrong, the key that the error names, the value as it is shown, and the fix. */
type Row = readonly [config: object, key: string, says: string, fix: string];

const WRONG: readonly Row[] = [
  // Unknown keys.
  [{ budget: [] }, "budget", 'unknown key "budget"; did you mean "budgets"?', '"budgets"'],
  [{ breaker: { uri: "http://a" } }, "breaker.uri", 'unknown key "breaker.uri"; did you mean "url"?', '"url"'],
  [
    { budgets: [{ ...DAY, scop: { agent: "a" } }] },
    "budgets[0].scop",
    'unknown key "budgets[0].scop"; did you mean "scope"?',
    '"scope"',
  ],
  [{ budgets: [{ ...DAY, scope: { agnet: "a" } }] }, "budgets[0].scope.agnet", 'did you mean "agent"?', '"agent"'],
  [{ budgets: [{ ...DAY, limit: 3 }] }, "budgets[0].limit", "; known keys: name, scope, per, usd", 'remove "limit"'],
  [{ prices: [{ ...PRICE, cacheReadPerMtok: 1 }] }, "prices[0].cacheReadPerMtok", "PerMTok", '"cacheReadPerMTok"'],
  // Keys that are missing, or stand there under another name.
  [
    { discounts: [{ provider: "openai", facter: 0.9 }] },
    "discounts[0]",
    'discounts[0] needs "factor", not "facter"',
    '"factor": 0.9',
  ],
  [
    { prices: [{ model: "m", input: 1, output: 2 }] },
    "prices[0]",
    'prices[0] needs "inputPerMTok", not "input"',
    '"inputPerMTok": 0.5',
  ],
  [{ hosts: [{ host: "a" }, { like: "api.openai.com" }] }, "hosts[1]", 'needs "host"', '"host": "llm.example.com"'],
  [{ budgets: [{ usd: 1 }] }, "budgets[0]", 'budgets[0] needs "per"', '"per": "hour"'],
  [{ budgets: [{ per: "day" }] }, "budgets[0]", 'needs "usd" or "tokens" or "calls" or "seconds"', '"usd": 20'],
  [{ repeats: { max: 3 } }, "repeats", 'repeats needs "within"', '"within": "5m"'],
  // Rows and lists that are none.
  [{ prices: [null] }, "prices[0]", "prices[0] must be an object, not null", '{ "model": "our-model",'],
  [{ budgets: [[]] }, "budgets[0]", "budgets[0] must be an object, not a list", '{ "scope"'],
  [{ budgets: DAY }, "budgets", "budgets must be a list, not an object", '"budgets": [ { "per": "day", "usd": 1 } ]'],
  [{ keys: ["a"] }, "keys", "keys must be an object, not a list", '"keys": { "9f86d081": "prod-key" }'],
  [{ breaker: "http://a" }, "breaker", 'breaker must be an object, not "http://a"', '"breaker": { "url"'],
  [{ baggage: { send: "a" } }, "baggage.send", 'baggage.send must be a list, not "a"', '"send": ['],
  [{ baggage: { send: ["a", 1] } }, "baggage.send[1]", "must be a host", '"orders.internal"'],
  [{ transportsOff: ["fetsh"] }, "transportsOff[0]", "transportsOff[0] must be", '"fetch"'],
  // Values of the wrong type.
  [{ agent: 5 }, "agent", "agent must be a text that is not empty, not 5", '"agent": "5"'],
  [{ team: null }, "team", "team must be a text that is not empty, not null", '"team": "search"'],
  [{ spans: "no" }, "spans", 'spans must be true or false, not "no"', '"spans": false'],
  [{ askUsage: 1 }, "askUsage", "askUsage must be true or false, not 1", '"askUsage": true'],
  [{ budgets: [{ per: "day", usd: "20" }] }, "budgets[0].usd", 'not "20"', '"usd": 20'],
  [{ stateTimeout: 50 }, "stateTimeout", "must be a duration such as", '"stateTimeout": "50ms"'],
  [{ billing: { keys: { key_a: 1 } } }, "billing.keys.key_a", "must be a text", '"key_a": "1"'],
  // Values out of their range, or of none.
  [{ budgets: [{ per: "day", usd: -1 }] }, "budgets[0].usd", "must be a number from 0 to 9007199, not -1", '"usd": 20'],
  [{ budgets: [{ per: "day", usd: 1e9 }] }, "budgets[0].usd", "not 1000000000", '"usd": 20'],
  [{ budgets: [{ ...DAY, warnAt: 80 }] }, "budgets[0].warnAt", "from 0 to 1, not 80", '"warnAt": 0.8'],
  [{ budgets: [{ ...DAY, finalisation: 1 }] }, "budgets[0].finalisation", "from 0 to 0.99, not 1", "0.01"],
  [{ discounts: [{ factor: 90 }] }, "discounts[0].factor", "from 0 to 10, not 90", '"factor": 0.9'],
  [{ prices: [{ ...PRICE, inputPerMTok: -1 }] }, "prices[0].inputPerMTok", "not -1", '"inputPerMTok": 0.5'],
  [{ breaker: { port: 99_999 } }, "breaker.port", "a whole number from 0 to 65535, not 99999", '"port": 4319'],
  [{ breaker: { port: 80.5 } }, "breaker.port", "not 80.5", '"port": 4319'],
  [{ repeats: { max: 0, within: "5m" } }, "repeats.max", "a whole number of 1 or more, not 0", '"max": 20'],
  // Texts that must be written in one way.
  [{ mode: "Shadow" }, "mode", 'mode must be one of enforce, shadow, off, not "Shadow"', '"mode": "shadow"'],
  [{ whenStateUnknown: "close" }, "whenStateUnknown", "one of open, closed", '"whenStateUnknown": "closed"'],
  [{ agent: "" }, "agent", 'not ""', '"agent": "support-bot"'],
  [{ budgets: [{ ...DAY, name: " " }] }, "budgets[0].name", 'not " "', '"name": "agent hour"'],
  [{ budgets: [{ ...DAY, scope: { agent: "" } }] }, "budgets[0].scope.agent", "must be a text", '"agent": "*"'],
  [{ budgets: [{ per: "fortnight", usd: 1 }] }, "budgets[0].per", "must be run, minute, hour", '"per": "hour"'],
  [{ budgets: [{ per: "10ms", usd: 1 }] }, "budgets[0].per", 'not "10ms"', '"per": "hour"'],
  [{ budgets: [{ ...DAY, trip: "soon" }] }, "budgets[0].trip", 'not "soon"', '"trip": "15m"'],
  [{ breaker: { ttl: "15 min" } }, "breaker.ttl", 'not "15 min"', '"ttl": "15m"'],
  [{ breaker: { url: "127.0.0.1:4319" } }, "breaker.url", "an http or https", '"url": "http://127.0.0.1:4319"'],
  [{ breaker: { url: "ftp://a" } }, "breaker.url", 'not "ftp://a"', '"url": "http://127.0.0.1:4319"'],
  [{ store: "postgres://h/db" }, "store", "one of memory, file:PATH, redis://HOST:PORT", '"store": "file:'],
  [{ store: "file:" }, "store", 'not "file:"', '"store": "file:'],
  [{ hosts: [{ host: "https://llm.io/v1" }] }, "hosts[0].host", "without scheme", '"host": "llm.io"'],
  [{ prices: [{ ...PRICE, from: "soon" }] }, "prices[0].from", "must be an ISO date", '"from": "2026-11-01"'],
  [{ charges: [{ host: "a", path: "/b" }] }, "charges[0]", 'charges[0] needs "usd"', '"usd": 0.008'],
  [{ charges: [{ host: "a", usd: -1 }] }, "charges[0].usd", "from 0 to 100000, not -1", '"usd": 0.008'],
  [
    { charges: [{ host: "a", path: "b", usd: 1 }] },
    "charges[0].path",
    "a path that begins with /",
    '"path": "/search"',
  ],
  [{ charges: [{ host: "a", usd: 1, mcp: "x" }] }, "charges[0].mcp", 'unknown key "charges[0].mcp"', 'remove "mcp"'],
  [{ toolPrices: "on" }, "toolPrices", "must be true or false", '"toolPrices": true'],
  [{ tags: ["Customer"] }, "tags[0]", "must be 2 to 31 lower-case letters", '"customer"'],
  [{ tags: ["service"] }, "tags[0]", "no name that spendfuse or a backend uses", '"customer"'],
  [{ tags: ["aa", "bb", "cc", "dd", "ee", "ff"] }, "tags", "must be a list of at most 5, not a list", '"tags": ['],
  // Rows that are valid by themselves.
  [{ tags: ["customer", "customer"] }, "tags[1]", 'declared already, "customer"', '"tags": ["customer"]'],
  [{ hosts: [{ host: "a", like: "api.opnai.com" }] }, "hosts[0].like", "spendfuse knows", '"like": "api.openai.com"'],
  [
    { budgets: [DAY, { per: "day", usd: 2 }] },
    "budgets[1]",
    "is the same budget as budgets[0]",
    '"name": "all per day 2"',
  ],
];

function refusal(read: () => unknown): SpendfuseError {
  try {
    read();
  } catch (error) {
    if (isSpendfuseError(error)) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("is refused, with the key and the fix", () => {
  test.each(WRONG)("%j", async (config, key, says, fix) => {
    const runtime = createRuntime(() => {});
    const env = { SPENDFUSE_CONFIG: JSON.stringify(config) };
    const ways: readonly StartOptions[] = [config, { config }, { env }];
    for (const [index, way] of ways.entries()) {
      const error = (await runtime
        .start({ telemetry: false, env: {}, ...way })
        .catch((thrown) => thrown)) as SpendfuseError;
      expect(isSpendfuseError(error), "accepted").toBe(true);
      expect(error.code).toBe("SPENDFUSE_CONFIG");
      expect(error.message.startsWith(index === 2 ? "SPENDFUSE_CONFIG: " : "start(): ")).toBe(true);
      expect(error.message).toContain(says);
      expect(error.facts.key).toBe(key);
      expect(error.facts.fix).toContain(fix);
    }
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "a cap of %d, which no file can say",
    (usd) => {
      const error = refusal(() => readConfig({ budgets: [{ per: "day", usd }] }, {}));
      expect(error.message).toContain(`not ${usd}; write "usd": 20`);
    },
  );

  test.each([
    [{ SPENDFUSE_MODE: "on" }, "SPENDFUSE_MODE must be one of", "SPENDFUSE_MODE=enforce"],
    [{ SPENDFUSE_SPANS: "maybe" }, 'SPENDFUSE_SPANS must be true or false, not "maybe"', "SPENDFUSE_SPANS=true"],
    [{ SPENDFUSE_BREAKER_PORT: "x" }, "SPENDFUSE_BREAKER_PORT must be a whole", "SPENDFUSE_BREAKER_PORT=4319"],
    [{ SPENDFUSE_BAGGAGE_SEND: "http://a/b" }, "SPENDFUSE_BAGGAGE_SEND[0] must be a host", "a"],
    [
      { SPENDFUSE_REPEATS_MAX: "3" },
      'repeats is set by the environment, and needs "within"',
      "SPENDFUSE_REPEATS_WITHIN=5m",
    ],
    [{ SPENDFUSE_CONFIG: "{ agent: 1 }" }, "SPENDFUSE_CONFIG is not JSON: ", "SPENDFUSE_CONFIG='{"],
    [{ SPENDFUSE_CONFIG: "/nowhere/x.json" }, "names /nowhere/x.json, which does not exist", "unset SPENDFUSE_CONFIG"],
  ])("%j", (env, says, fix) => {
    const error = refusal(() => readConfig({}, env));
    expect(error.message).toContain(says);
    expect(error.facts.fix).toContain(fix);
  });

  test("a budget by a tag that nothing declares", () => {
    const budgets = [{ ...DAY, scope: { tags: { custmer: "*" } } }];
    const error = refusal(() => readConfig({ tags: ["customer"], budgets }, {}));
    expect(error.message).toContain('budgets[0].scope.tags.custmer names a tag that "tags" does not declare');
    expect(error.facts.fix).toBe("customer");
  });

  test("what is no object at all", () => {
    expect(refusal(() => readConfig([] as never, {})).message).toBe(
      'start() must hold one JSON object, such as { "mode": "enforce" }',
    );
  });

  test("all that is wrong is named at once, a line each", () => {
    const error = refusal(() => readConfig({ agent: "", spans: 1 } as never, { SPENDFUSE_MODE: "on" }));
    expect(error.message.split("\n")).toHaveLength(3);
    expect((error.facts.problems as object[]).length).toBe(3);
  });
});

describe("a secret is not shown", () => {
  test.each([
    [{ store: "postgres://user:hunter2@host/db" }],
    [{ store: "redis:/user:hun/ter2@host" }],
    [{ breaker: { url: "redis://:hunter2@host" } }],
    [{ keys: { "sk-hunter2": "prod" } }],
  ])("%j", (config) => {
    expect(refusal(() => readConfig(config as ConfigFile, {})).message).not.toMatch(/hun\/?ter2/);
  });
});

describe("an unknown key", () => {
  const read = (env: Readonly<Record<string, string>>, given: object = {}) => {
    const said: string[] = [];
    const config = readConfig(given as ConfigFile, env, (message, fix) => said.push(`${message} (${fix})`));
    return { config, said };
  };

  test("of a file is ignored, at whatever depth, and named", () => {
    const json = { budget: [], agent: "a", budgets: [{ ...DAY, warnat: 0.8 }], breaker: { prot: 1 } };
    const { config, said } = read({ SPENDFUSE_CONFIG: JSON.stringify(json) });
    expect(said).toEqual([
      'SPENDFUSE_CONFIG: unknown key "budget" ignored; did you mean "budgets"? ("budgets")',
      'SPENDFUSE_CONFIG: unknown key "budgets[0].warnat" ignored; did you mean "warnAt"? ("warnAt")',
      'SPENDFUSE_CONFIG: unknown key "breaker.prot" ignored; did you mean "port"? ("port")',
    ]);
    expect(config).toMatchObject({ agent: "a", budgets: [DAY], breaker: {} });
    expect(config).not.toHaveProperty("budget");
    expect(config.budgets?.[0]).toEqual(DAY);
    expect(config.breaker).toEqual({});
  });

  test.each(["SPENDFUSE_SENDER", "SPENDFUSE_TEST_SCALE", "SPENDFUSE_DEBUG"])("%s is no unknown variable", (name) => {
    expect(read({ [name]: "1" }).said).toEqual([]);
  });

  test("a variable of a tag that nothing declares is ignored and named, and an error where that is strict", () => {
    const env = {
      SPENDFUSE_TAG_CUSTOMER: "Acme Inc",
      SPENDFUSE_TAG_RELEASE: "1.2",
      SPENDFUSE_CONFIG: '{"tags":["release"]}',
    };
    const { config, said } = read(env);
    expect(config.defaults).toEqual({ tags: { release: "1.2" } });
    expect(said).toEqual([
      'variable SPENDFUSE_TAG_CUSTOMER ignored; "tags" does not declare customer ("tags": ["release","customer"])',
    ]);
    expect(refusal(() => read({ ...env, SPENDFUSE_STRICT: "1" })).facts.key).toBe("SPENDFUSE_TAG_CUSTOMER");
  });

  test("of what the caller gives is an error in any case", () => {
    expect(refusal(() => read({}, { budget: [] })).message).toBe(
      'start(): unknown key "budget"; did you mean "budgets"?',
    );
  });

  test("of a file is an error with SPENDFUSE_STRICT", () => {
    const env = { SPENDFUSE_CONFIG: '{ "budget": [] }' };
    for (const text of ["1", "true", "maybe"])
      expect(refusal(() => read({ ...env, SPENDFUSE_STRICT: text })).message).toContain('did you mean "budgets"?');
    for (const text of ["", "0", "no"]) expect(read({ ...env, SPENDFUSE_STRICT: text }).said).toHaveLength(1);
  });

  test.each([
    ["SPENDFUSE_MOED", "; did you mean SPENDFUSE_MODE?"],
    ["SPENDFUSE_BUDGETS", '; "budgets" has no variable of its own: set it in the file, or in SPENDFUSE_CONFIG'],
    ["SPENDFUSE_BILLING_DB", "; did you mean SPENDFUSE_BILL?"],
    ["SPENDFUSE_OPENIA_URL", "; did you mean SPENDFUSE_OPENAI_URL?"],
    ["SPENDFUSE_WHATEVER", ""],
  ])("%s is a warning, and with SPENDFUSE_STRICT an error", (name, hint) => {
    const { said } = read({ [name]: "x" });
    expect(said).toEqual([`unknown variable ${name} ignored${hint} (unset ${name})`]);
    expect(refusal(() => read({ [name]: "x", SPENDFUSE_STRICT: "1" })).message).toBe(`unknown variable ${name}${hint}`);
    expect(read({ [name]: "" }).said).toEqual([]);
  });
});
