import type { Config } from "../config/config.ts";
import { isGuarded } from "./enforcement.ts";

/**
 * What is on, in one line: `guard: enforce, 2 budgets, store redis, breaker http://…, from FILE`. Undefined where nothing
 * is configured, unless a configuration is required. Credentials and paths of addresses are not shown.
 */
export function startLine(config: Config, required: boolean): string | undefined {
  const from = config.source === undefined ? "" : `, from ${config.source}`;
  if (isGuarded(config)) return `guard: ${guardOf(config)}${from}`;
  if (config.source === undefined) return required ? "guard: off, no configuration found" : undefined;
  return config.mode === "off"
    ? `guard: off by "mode"${from}`
    : `guard: off, no budgets, store, breaker, mode or repeats${from}`;
}

function guardOf({ mode = "enforce", budgets = [], store = "memory", breaker, repeats }: Config): string {
  const parts = [mode, `${budgets.length} ${budgets.length === 1 ? "budget" : "budgets"}`, `store ${kindOf(store)}`];
  if (breaker?.url !== undefined) parts.push(`breaker ${originOf(breaker.url)}`);
  if (breaker?.port !== undefined) parts.push("breaker in this process");
  if (repeats !== undefined) parts.push(`repeats ${repeats.max} in ${repeats.within}`);
  return parts.join(", ");
}

/** `redis` of `redis://:secret@host:6379`. */
function kindOf(address: string): string {
  return address.replace(/:.*$/s, "");
}

function originOf(url: string): string {
  return URL.parse(url)?.origin ?? "";
}
