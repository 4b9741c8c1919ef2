import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Discount, PriceRowConfig } from "./core/price.ts";
import type { ScopeFields } from "./core/scope.ts";
import { SpendfuseError } from "./errors.ts";
import type { Host } from "./meter/hosts.ts";

/** A host of the user's own, such as a gateway. `like` takes over the facts of a host that we know. */
export interface HostConfig extends Partial<Omit<Host, "host">> {
  readonly host: string;
  readonly like?: string;
}

/** What `spendfuse.config.json` may say in this version. `config.schema.json` describes the same. */
export interface ConfigFile {
  readonly agent?: string;
  readonly team?: string;
  readonly project?: string;
  readonly hosts?: readonly HostConfig[];
  /** Whether streams that lack usage are asked for it. Default true. */
  readonly askUsage?: boolean;
  /** Alias by the short hash of an API key, as it shows in the `key` scope. */
  readonly keys?: Readonly<Record<string, string>>;
  readonly prices?: readonly PriceRowConfig[];
  readonly discounts?: readonly Discount[];
  /** Standard `gen_ai.client.*` metrics beside ours. Default true. */
  readonly genAiMetrics?: boolean;
  /** Spans of agents and calls. Default true. */
  readonly spans?: boolean;
}

export interface Config extends ConfigFile {
  readonly defaults: ScopeFields;
  /** The environment as it was read, for the parts that resolve standard variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

type Kind = "string" | "boolean" | "object" | "array";

const KEYS: Readonly<Record<keyof ConfigFile, Kind>> = {
  agent: "string",
  team: "string",
  project: "string",
  hosts: "array",
  askUsage: "boolean",
  keys: "object",
  prices: "array",
  discounts: "array",
  genAiMetrics: "boolean",
  spans: "boolean",
};

/** Keys of the guard and the breaker, which this version does not have yet. */
const LATER = new Set(["budgets", "mode", "store", "whenStateUnknown", "breaker"]);

/** Environment variables that say the same as a key, and win over the file. */
const ENVIRONMENT: readonly (readonly [variable: string, key: keyof ConfigFile])[] = [
  ["SPENDFUSE_AGENT", "agent"],
  ["SPENDFUSE_TEAM", "team"],
  ["SPENDFUSE_PROJECT", "project"],
  ["SPENDFUSE_ASK_USAGE", "askUsage"],
  ["SPENDFUSE_GEN_AI_METRICS", "genAiMetrics"],
  ["SPENDFUSE_SPANS", "spans"],
];

const FILE = "spendfuse.config.json";

/**
 * Reads the configuration once: defaults, then the file, then the environment, then what the caller gives.
 * @throws SpendfuseError `SPENDFUSE_CONFIG`, naming the file, the key and the fix.
 */
export function readConfig(
  given: ConfigFile = {},
  env: Readonly<Record<string, string | undefined>> = process.env,
  warn: (message: string) => void = () => {},
): Config {
  const { source, json } = readFile(env);
  const file = check(json, source, warn);
  const merged = { ...file, ...fromEnvironment(env), ...check(given, "start()", warn) };
  const defaults: ScopeFields = {
    ...(merged.agent !== undefined && { agent: merged.agent }),
    ...(merged.team !== undefined && { team: merged.team }),
    ...(merged.project !== undefined && { project: merged.project }),
  };
  return Object.freeze({ ...merged, defaults: Object.freeze(defaults), env });
}

/** What is left when the configuration is wrong: nothing of ours, and the standard variables that say where to send. */
export function defaultConfig(env: Readonly<Record<string, string | undefined>> = process.env): Config {
  const others = Object.entries(env).filter(([name]) => !name.startsWith("SPENDFUSE_"));
  return readConfig({}, { ...Object.fromEntries(others), SPENDFUSE_CONFIG: "{}" });
}

function readFile(env: Readonly<Record<string, string | undefined>>): { source: string; json: unknown } {
  const named = env.SPENDFUSE_CONFIG;
  if (named?.trimStart().startsWith("{")) return { source: "SPENDFUSE_CONFIG", json: parse(named, "SPENDFUSE_CONFIG") };
  const path = resolve(named ?? FILE);
  if (!existsSync(path)) {
    if (named === undefined) return { source: FILE, json: {} };
    throw new SpendfuseError("SPENDFUSE_CONFIG", `SPENDFUSE_CONFIG names ${path}, which does not exist`, { path });
  }
  return { source: path, json: parse(readFileSync(path, "utf8"), path) };
}

function parse(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SpendfuseError(
      "SPENDFUSE_CONFIG",
      `${source} is not JSON: ${(cause as Error).message}`,
      { source },
      cause,
    );
  }
}

function check(json: unknown, source: string, warn: (message: string) => void): ConfigFile {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new SpendfuseError("SPENDFUSE_CONFIG", `${source} must hold one JSON object`, { source });
  }
  const known: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(json)) {
    if (key === "$schema" || value === undefined) continue;
    const kind = KEYS[key as keyof ConfigFile];
    if (kind === undefined) {
      const why = LATER.has(key)
        ? "is not in this version yet"
        : `is unknown; known keys: ${Object.keys(KEYS).join(", ")}`;
      warn(`${source}: "${key}" ${why}, and is ignored`);
      continue;
    }
    const actual = Array.isArray(value) ? "array" : typeof value;
    if (actual !== kind) {
      const message = `${source}: "${key}" must be ${kind === "array" || kind === "object" ? "an" : "a"} ${kind}, not ${actual}`;
      throw new SpendfuseError("SPENDFUSE_CONFIG", message, { source, key });
    }
    known[key] = value;
  }
  for (const [index, host] of ((known.hosts as HostConfig[] | undefined) ?? []).entries()) {
    if (typeof host?.host !== "string") {
      throw new SpendfuseError(
        "SPENDFUSE_CONFIG",
        `${source}: hosts[${index}] needs a "host", such as "llm.example.com"`,
        {
          source,
        },
      );
    }
  }
  return known;
}

function fromEnvironment(env: Readonly<Record<string, string | undefined>>): ConfigFile {
  const found: Record<string, unknown> = {};
  for (const [variable, key] of ENVIRONMENT) {
    const value = env[variable];
    if (value === undefined || value === "") continue;
    found[key] = KEYS[key] === "boolean" ? readBoolean(variable, value) : value;
  }
  return found;
}

function readBoolean(variable: string, value: string): boolean {
  if (/^(1|true|on|yes)$/i.test(value)) return true;
  if (/^(0|false|off|no)$/i.test(value)) return false;
  throw new SpendfuseError("SPENDFUSE_CONFIG", `${variable} must be true or false, not "${value}"`, { variable });
}
