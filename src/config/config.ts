import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { SpendfuseError } from "../core/errors.ts";
import type { ScopeFields } from "../core/scope.ts";
import { type Budget, type BudgetConfig, readBudget } from "../limits/budget.ts";
import type { BaggageConfig } from "../meter/propagation/propagation.ts";
import type { Host } from "../meter/wire/hosts.ts";
import type { Discount, PriceRowConfig } from "../pricing/price.ts";
import { readBaggage, readVariables, serviceOf } from "./environment.ts";
import { checkForm } from "./forms.ts";

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
  readonly budgets?: readonly BudgetConfig[];
  /** `enforce` refuses, `shadow` only records what would have been refused, `off` checks nothing. Default `enforce`. */
  readonly mode?: Mode;
  /** Where budgets and circuits live: one of `STORE_FORMS`. Default `memory`. */
  readonly store?: string;
  /** What a call gets when the store or the breaker cannot be asked: `open` lets it pass, `closed` refuses it. */
  readonly whenStateUnknown?: "open" | "closed";
  /** How long a call waits for the store, such as `50ms`. */
  readonly stateTimeout?: string;
  /** What a USD budget does with a model whose price is not known. Default `allow`. */
  readonly unpriced?: "allow" | "refuse";
  readonly breaker?: BreakerConfig;
  /** Ends streams under way when their scope has spent its cap or its circuit opens. Default false. */
  readonly cutStreams?: boolean;
  readonly repeats?: RepeatConfig;
  readonly billing?: BillingConfig;
  readonly baggage?: BaggageConfig;
}

/** What `spendfuse poll` and `spendfuse report` need besides the vendors' keys. */
export interface BillingConfig {
  /** The file that holds the vendors' rows. Default `spendfuse-bill.db`. */
  readonly db?: string;
  /** The metered name of a key, by the vendor's id or name of it. */
  readonly keys?: Readonly<Record<string, string>>;
  /** Uploads the allocated bill to Datadog's Cloud Cost Management. Default false. */
  readonly customCosts?: boolean;
}

/** Opens an agent's circuit when it makes the same request more than `max` times. */
export interface RepeatConfig {
  readonly max: number;
  /** Such as `5m`. */
  readonly within: string;
  /** For how long; default `15m`. */
  readonly trip?: string;
}

export type Mode = "enforce" | "shadow" | "off";

/** A breaker to listen to (`url`), or one to run inside this process (`port`). */
export interface BreakerConfig {
  readonly url?: string;
  readonly port?: number;
  readonly host?: string;
  /** How long a trip lasts, such as `15m`. */
  readonly ttl?: string;
}

export interface Config extends ConfigFile {
  readonly defaults: ScopeFields;
  /** `budgets`, read. */
  readonly caps: readonly Budget[];
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
  budgets: "array",
  mode: "string",
  store: "string",
  whenStateUnknown: "string",
  stateTimeout: "string",
  unpriced: "string",
  breaker: "object",
  baggage: "object",
  cutStreams: "boolean",
  billing: "object",
  repeats: "object",
};

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
  const merged: ConfigFile = { ...file, ...readVariables(env, KEYS), ...check(given, "start()", warn) };
  const agent = merged.agent ?? serviceOf(env);
  const defaults: ScopeFields = {
    ...(agent !== undefined && { agent }),
    ...(merged.team !== undefined && { team: merged.team }),
    ...(merged.project !== undefined && { project: merged.project }),
  };
  const url = env.SPENDFUSE_BREAKER_URL;
  const baggage = { ...file.baggage, ...readBaggage(env), ...given.baggage };
  return Object.freeze({
    ...merged,
    ...(Object.keys(baggage).length > 0 && { baggage }),
    ...(url &&
      given.breaker === undefined && { breaker: checkForm("breaker", { ...merged.breaker, url }, BREAKER_URL) }),
    caps: readCaps(merged.budgets ?? []),
    defaults: Object.freeze(defaults),
    env,
  });
}

const BREAKER_URL = "SPENDFUSE_BREAKER_URL";

/** For who must look at the environment even when the configuration is wrong. */
export const readEnvironment = (): Config["env"] => process.env;

function readCaps(rows: readonly unknown[]): readonly Budget[] {
  const caps: Budget[] = [];
  const fail = (index: number, fault: string): never => {
    throw new SpendfuseError("SPENDFUSE_CONFIG", `budgets[${index}] ${fault}`, { key: "budgets", index });
  };
  for (const [index, row] of rows.entries()) {
    const read = readBudget(row);
    if (typeof read === "string") return fail(index, read);
    const twin = read.find(({ id }) => caps.some((other) => other.id === id));
    if (twin) fail(index, `is the same as an earlier one, "${twin.name}": give it a "name" of its own`);
    caps.push(...read);
  }
  return caps;
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
      warn(`${source}: "${key}" is unknown; known keys: ${Object.keys(KEYS).join(", ")}, and is ignored`);
      continue;
    }
    const actual = Array.isArray(value) ? "array" : typeof value;
    if (actual !== kind) {
      const message = `${source}: "${key}" must be ${kind === "array" || kind === "object" ? "an" : "a"} ${kind}, not ${actual}`;
      throw new SpendfuseError("SPENDFUSE_CONFIG", message, { source, key });
    }
    known[key] = checkForm(key as keyof ConfigFile, value, source);
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
