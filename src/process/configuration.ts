import { type Config, type ConfigFile, defaultConfig, readConfig } from "../config/config.ts";
import type { Faults } from "../core/faults.ts";
import type { ScopeFields } from "../core/scope.ts";
import type { CallSettings } from "../meter/call/call-meter.ts";
import { hostSlot, type LazySlot } from "../meter/export/spool/host-slot.ts";
import { openState } from "../meter/export/spool/state.ts";
import { settingsOf } from "./assembly.ts";

/** Where a configuration comes from. */
export interface ConfigSource {
  /** Laid over the config file and the environment. */
  readonly config?: ConfigFile;
  /** The environment to read instead of `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** The configuration of one process, and what follows from it: read when it is first asked for. */
export interface Configuration {
  /** Never throws: a wrong one is said aloud and left out, because the app must run. */
  get(): Config;
  /** Undefined while nobody has asked for it. */
  readonly known: Config | undefined;
  /** @throws SpendfuseError `SPENDFUSE_CONFIG` when it is wrong. */
  replace(source: ConfigSource): void;
  /** What it says about calls; the same object until it is replaced. */
  calls(): CallSettings;
  /** Where what outlives the process is kept; undefined when there is no such place. */
  stateDir(): string | undefined;
  slot(): LazySlot;
}

export function createConfiguration(
  faults: Faults,
  say: (message: string) => void,
  setDefaults: (fields: ScopeFields) => void,
): Configuration {
  let config: Config | undefined;
  let settings: CallSettings | undefined;
  let state: { readonly dir: string | undefined } | undefined;

  function set(next: Config): Config {
    config = next;
    settings = undefined;
    state = undefined;
    setDefaults(next.defaults);
    return next;
  }

  function get(): Config {
    if (config !== undefined) return config;
    try {
      return set(readConfig(undefined, undefined, say));
    } catch (error) {
      faults.report("config");
      say(`the configuration is left out, and no budget, store or breaker of it holds: ${(error as Error).message}`);
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
    replace: (source) => void set(readConfig(source.config, source.env, say)),
    calls() {
      settings ??= settingsOf(get());
      return settings;
    },
    stateDir,
    slot: () => hostSlot(stateDir()),
  };
}
