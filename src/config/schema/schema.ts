import type { Node, ObjectNode } from "../node.ts";
import { BILLING_KEYS, PRICE_KEYS } from "./billing.ts";
import { CHARGE_KEYS } from "./charges.ts";
import { GUARD_KEYS } from "./guard.ts";
import { METERING_KEYS } from "./metering.ts";
import { PROXY_KEYS } from "./proxy.ts";
import { SCOPE_KEYS } from "./scope.ts";

/** The keys by subject, in the order of the docs. */
export const GROUPS: readonly { readonly title: string; readonly keys: Readonly<Record<string, Node>> }[] = [
  { title: "Who a call belongs to", keys: SCOPE_KEYS },
  { title: "Budgets, circuits, store and breaker", keys: GUARD_KEYS },
  { title: "Metering", keys: METERING_KEYS },
  { title: "Agent programs", keys: PROXY_KEYS },
  { title: "Prices", keys: PRICE_KEYS },
  { title: "Charges that are no model call", keys: CHARGE_KEYS },
  { title: "Bills", keys: BILLING_KEYS },
];

/**
 * The one source of the configuration. `npm run schema` derives `src/core/config-types.ts`, `config.schema.json`, the
 * tables of `docs/configuration.md` and `src/config/compiled.ts` from it, which is what a process loads.
 */
export const SCHEMA: ObjectNode = {
  kind: "object",
  type: "ConfigFile",
  description: "What `spendfuse.config.json` may say. The environment wins over the file, and `start()` over both.",
  keys: Object.assign({}, ...GROUPS.map(({ keys }) => keys)) as Readonly<Record<string, Node>>,
};
