import { SCHEMA } from "../config/compiled.ts";
import { type Config, defaultConfig, isQuiet, isStrict, readConfig } from "../config/config.ts";
import type { ConfigFile } from "../core/config-types.ts";
import { isSpendfuseError, SpendfuseError } from "../core/errors.ts";
import type { Faults } from "../core/faults.ts";
import { nearest } from "../core/nearest.ts";
import type { ScopeFields } from "../core/scope.ts";
import type { CallSettings } from "../meter/call/call-meter.ts";
import { hostSlot, type LazySlot } from "../meter/export/spool/host-slot.ts";
import { openState } from "../meter/export/spool/state.ts";
import { settingsOf } from "./assembly.ts";
import { startLine } from "./start-line.ts";

const { writeSync } = process.getBuiltinModule("node:fs");

/** Where a configuration comes from: the keys of the file themselves win over all others. */
export interface ConfigSource extends ConfigFile {
  /** The same keys, in an object of their own. */
  readonly config?: ConfigFile;
  /** The environment to read instead of `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** The configuration of one process, and what is derived from it; read on first use. */
export interface Configuration {
  /**
   * Never throws: an invalid one is reported on stderr and ignored, because the app must run. With `SPENDFUSE_STRICT=1`
   * it ends the process.
   */
  get(): Config;
  /** What `register` does first: reads it at once where an invalid one must end the process. */
  check(): void;
  /** Undefined until it is first read. */
  readonly known: Config | undefined;
  /** @throws SpendfuseError `SPENDFUSE_CONFIG` when it is invalid, or has an unknown key. */
  replace(source: ConfigSource): void;
  /**
   * Reads it again, from where it came, and takes its budgets; all else stays as it is, as parts were made from it. Returns
   * the other keys that have changed. @throws SpendfuseError `SPENDFUSE_CONFIG`, and changes nothing.
   */
  reload(): Reloaded;
  /** The configuration of calls; the same object until it is replaced. */
  calls(): CallSettings;
  /** Where what outlives the process is kept; undefined when there is no such place. */
  stateDir(): string | undefined;
  slot(): LazySlot;
}

export interface Reloaded {
  readonly config: Config;
  /** Keys whose new values need a restart. */
  readonly restart: readonly string[];
}

export function createConfiguration(
  faults: Faults,
  say: (message: string) => void,
  setDefaults: (fields: ScopeFields) => void,
): Configuration {
  let config: Config | undefined;
  let settings: CallSettings | undefined;
  let state: { readonly dir: string | undefined } | undefined;
  let told: string | undefined;
  let read = (): Config => readConfig(undefined, undefined, tellOnce);

  function tell(message: string): void {
    faults.guard("config", () => say(message));
  }

  /** Once per process, not once per thread. */
  function tellOnce(message: string): void {
    if (process.getBuiltinModule("node:worker_threads").isMainThread) tell(message);
  }

  function set(next: Config): Config {
    config = next;
    settings = undefined;
    state = undefined;
    setDefaults(next.defaults);
    announce(next);
    return next;
  }

  function announce(next: Config): void {
    const line = startLine(next, isStrict(next.env));
    if (line === undefined || line === told || isQuiet(next.env)) return;
    told = line;
    tellOnce(line);
  }

  function get(): Config {
    if (config !== undefined) return config;
    try {
      return set(read());
    } catch (error) {
      const message = (error as Error).message;
      if (isStrict()) endProcess(message);
      faults.report("config");
      tell(`config ignored: ${disabledParts(error)}: ${message}`);
      return set(defaultConfig());
    }
  }

  function stateDir(): string | undefined {
    state ??= { dir: openState(get().env.SPENDFUSE_STATE_DIR) };
    return state.dir;
  }

  return {
    get,
    get known() {
      return config;
    },
    check: () => void (isStrict() && get()),
    replace({ config: own, env, ...keys }) {
      const next = (): Config => readConfig(given(own, keys), env, tellOnce, true);
      set(next());
      read = next;
    },
    reload() {
      const before = get();
      const next = read();
      config = { ...before, caps: next.caps, ...(next.budgets && { budgets: next.budgets }) };
      return { config, restart: changedKeys(before, next) };
    },
    calls() {
      settings ??= settingsOf(get());
      return settings;
    },
    stateDir,
    slot: () => hostSlot(stateDir()),
  };
}

/** The keys beside `budgets` whose values differ. */
export function changedKeys(before: ConfigFile, after: ConfigFile): readonly string[] {
  const keys = Object.keys(SCHEMA.keys) as (keyof ConfigFile)[];
  return keys.filter((key) => key !== "budgets" && JSON.stringify(before[key]) !== JSON.stringify(after[key]));
}

/** What `start()` takes beside the configuration's keys. */
const OPTIONS = ["telemetry", "config", "env"];

/** The keys at the top level win over those in `config`. @throws SpendfuseError for a misspelt option */
function given(own: ConfigFile | undefined, keys: ConfigFile): ConfigFile {
  const set = Object.entries(keys).filter(([, value]) => value !== undefined);
  for (const [key] of set) {
    const near = Object.hasOwn(SCHEMA.keys, key) ? [] : nearest(key, [...OPTIONS, ...Object.keys(SCHEMA.keys)]);
    if (!near.some((name) => OPTIONS.includes(name))) continue;
    const says = `start(): unknown key "${key}"; did you mean "${near.join('" or "')}"?`;
    throw new SpendfuseError("SPENDFUSE_CONFIG", says, { source: "start()", key, fix: `"${near[0]}"` });
  }
  return { ...own, ...Object.fromEntries(set) };
}

/** Keys whose absence lets spend through. */
const GUARDING = ["budgets", "store", "breaker", "repeats"];

/** What an invalid configuration would have switched on: all of it when the file cannot be parsed. */
function disabledParts(error: unknown): string {
  const { configured = ["budgets", "store", "breaker"] } = isSpendfuseError(error)
    ? (error.facts as { readonly configured?: readonly string[] })
    : {};
  const off = GUARDING.filter((key) => configured.includes(key));
  if (off.length === 0) return "the defaults hold";
  const names = off.length === 1 ? off.join() : `${off.slice(0, -1).join(", ")} and ${off.at(-1)}`;
  return `${names} ${names === "store" || names === "breaker" ? "is" : "are"} OFF`;
}

/** Written synchronously: data left in a stream when a process exits may be lost. */
function endProcess(message: string): never {
  try {
    writeSync(2, `spendfuse: invalid configuration, and SPENDFUSE_STRICT is set: ${message}\n`);
  } finally {
    process.exit(1);
  }
}
