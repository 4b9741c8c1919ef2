import { type Config, readConfig } from "../../../config/config.ts";
import type { Budget } from "../../../limits/budget.ts";
import { RELOAD_KEY, type Store } from "../../../stores/store.ts";

/** The budgets of a breaker's configuration, which may be read again while it serves. */
export interface Reloading {
  caps(): readonly Budget[];
  /** Returns what it did, for people. @throws SpendfuseError `SPENDFUSE_CONFIG`; the old budgets hold then */
  reload(): string;
}

export function createReloading(config: Config): Reloading {
  let { caps } = config;
  return {
    caps: () => caps,
    reload() {
      const next = readConfig();
      caps = next.caps;
      const count = next.budgets?.length ?? 0;
      return `configuration read again: ${count} budget${count === 1 ? "" : "s"}`;
    },
  };
}

/** Reads the configuration again on SIGHUP, and when another process asks all to. Returns a function that ends it. */
export function followReloads(store: Store, reloading: Reloading, say: (message: string) => void): () => void {
  function reload(): void {
    try {
      say(reloading.reload());
    } catch (error) {
      say(`configuration not read again, the old one holds: ${(error as Error).message}`);
    }
  }
  const unsubscribe = store.subscribe((change) => {
    if (change.type === "recall" && change.key === RELOAD_KEY) reload();
  });
  process.on("SIGHUP", reload);
  return () => {
    unsubscribe();
    process.off("SIGHUP", reload);
  };
}
