import fc from "fast-check";
import { expect } from "vitest";
import { KEY_VARIABLES, OTHER_VARIABLES } from "../../src/config/compiled.ts";
import { type Config, readConfig } from "../../src/config/config.ts";
import { isSpendfuseError } from "../../src/core/errors.ts";
import { readOtel } from "../../src/meter/export/endpoint.ts";
import { places } from "../config/values.ts";
import { fuzz, property } from "./fuzz.ts";
import { anyJson, anyText, damaged, mutated } from "./values.ts";

/** One valid value for each key, and what the README shows. */
const FILES: readonly object[] = [
  ...places().map(({ name, with: put, node }) => put(name, node.examples?.[0] ?? null)),
  {
    budgets: [
      { name: "agent hour", scope: { agent: "*" }, per: "hour", usd: 20, warnAt: 0.8 },
      { scope: { agent: "researcher" }, per: "run", usd: 2, finalisation: 0.2 },
    ],
    mode: "enforce",
    store: "memory",
    whenStateUnknown: "open",
    breaker: { url: "http://127.0.0.1:4319" },
    prices: [{ model: "our-model", inputPerMTok: 0.5, outputPerMTok: 1.5 }],
  },
];

/** The configuration, or undefined where it is refused as it must be: with a key and a fix. */
function configOf(read: () => Config): Config | undefined {
  try {
    return read();
  } catch (error) {
    if (!isSpendfuseError(error)) throw error;
    expect(error.code).toBe("SPENDFUSE_CONFIG");
    expect(error.message).toMatch(/\S/);
    expect(error.facts.fix).toBeTypeOf("string");
    return undefined;
  }
}

function expectSound({ caps }: Config): void {
  for (const { cap } of caps) expect(Number.isFinite(cap) && cap >= 0).toBe(true);
}

const names = [...Object.keys(KEY_VARIABLES), ...OTHER_VARIABLES].filter((name) => name !== "SPENDFUSE_CONFIG");
const otelNames = ["ENDPOINT", "HEADERS", "PROTOCOL", "COMPRESSION", "TIMEOUT"].flatMap((name) =>
  ["", "METRICS_", "TRACES_"].map((signal) => `OTEL_EXPORTER_OTLP_${signal}${name}`),
);
const others = ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_METRIC_EXPORT_INTERVAL", "OTEL_SDK_DISABLED"];
const value = fc.oneof(
  anyText,
  fc.constantFrom("http://127.0.0.1:4318", "a=b,c=%zz", "grpc", "none", "-1", "1e999", "on", "5s", "redis://h"),
);
const variables = (from: readonly string[]) => fc.dictionary(fc.constantFrom(...from), value, { maxKeys: 6 });

fuzz("the configuration", {
  "any JSON is a configuration or refused": property(fc.oneof(anyJson, mutated(...FILES)), (json) => {
    const env = { SPENDFUSE_CONFIG: JSON.stringify(json) };
    // Other JSON than an object is the path of a file.
    const config = configOf(() => readConfig({}, env, () => {}, false));
    if (config !== undefined) expectSound(config);
  }),
  "any text is a configuration or refused": property(
    damaged(...FILES.map((file) => Buffer.from(JSON.stringify(file)))),
    (bytes) => {
      const text = Buffer.from(bytes).toString().replaceAll("\0", "");
      const config = configOf(() => readConfig({}, { SPENDFUSE_CONFIG: `{${text.slice(1)}` }, () => {}, false));
      if (config !== undefined) expectSound(config);
    },
  ),
  "so is what start() is given, which stays as it is": property(mutated(...FILES), (json) => {
    const before = JSON.stringify(json);
    const config = configOf(() => readConfig(json as object, {}, () => {}, false));
    if (config !== undefined) expectSound(config);
    expect(JSON.stringify(json)).toBe(before);
  }),
  "any variables": property(variables(names), (env) => {
    const config = configOf(() => readConfig({}, env, () => {}, false));
    if (config !== undefined) expectSound(config);
  }),
  "any standard variables": property(variables([...otelNames, ...others]), (env) => {
    const { endpoint, intervalMs, resource, notes } = readOtel(env);
    expect(intervalMs).toBeGreaterThan(0);
    for (const target of [endpoint.metrics, endpoint.traces]) {
      if (target === undefined) continue;
      expect(new URL(target.url).protocol).toMatch(/^https?:$/);
      expect(target.timeoutMs).toBeGreaterThan(0);
    }
    for (const text of [...Object.values(resource), ...notes]) expect(text).toBeTypeOf("string");
  }),
});
