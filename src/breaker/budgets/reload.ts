import { isSpendfuseError } from "../../core/errors.ts";
import { object } from "../../core/json.ts";
import type { Answer } from "../../http/exchange.ts";
import { RELOAD_KEY, type Store } from "../../stores/store.ts";
import { fault } from "../answer.ts";
import { line } from "../line.ts";

/**
 * Reads the configuration here, and makes all processes of the store read theirs. Where the one here is wrong, no process
 * is told. `order`: `{ by?, reason? }`.
 */
export async function reloadAll(
  store: Store,
  read: (() => string) | undefined,
  order: unknown,
  operator?: string,
): Promise<Answer> {
  if (read === undefined)
    return fault(409, "no_configuration", "this breaker was started without a configuration file");
  let told: string;
  try {
    told = read();
  } catch (error) {
    if (!isSpendfuseError(error)) throw error;
    return fault(400, "bad_configuration", `nothing was changed: ${error.message}`);
  }
  const { by, reason } = object(order) ?? {};
  await tellAll(store, line(by, 200) ?? line(operator, 200) ?? "operator", line(reason, 500) ?? told);
  return { status: 200, body: { applied: true, told } };
}

/** Makes all processes of the store read their configuration again, and logs it. */
export async function tellAll(store: Store, by: string, why: string, at: number = Date.now()): Promise<void> {
  await store.addAudit({ at, scope: "all", what: "reload", by, why, state: "none" });
  await store.recall(RELOAD_KEY);
}
