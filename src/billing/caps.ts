import type { Nano } from "../core/money.ts";
import type { Budget } from "../limits/budget.ts";
import type { Book } from "./book.ts";
import type { Names } from "./names.ts";
import type { VendorCap } from "./vendors/vendor.ts";

/** A vendor's own cap compared with the bill and with our budgets. Amounts in nano-USD. */
export interface CapRow {
  /** Such as `organization`, `project help_desk`. */
  readonly scope: string;
  readonly per: VendorCap["per"];
  readonly effect: VendorCap["effect"];
  readonly cap: Nano;
  /** Billed against it so far; undefined when the bill does not cover the cap's scope or period. */
  readonly used: Nano | undefined;
  readonly remark: string;
}

export interface CapInput {
  readonly caps: readonly VendorCap[];
  readonly budgets: readonly Budget[];
  readonly names: Names;
  /** This month's bill by project id, by key id, and in total. */
  readonly billed: {
    readonly projects: ReadonlyMap<string, Nano>;
    readonly keys: ReadonlyMap<string, Nano>;
    readonly all: Nano;
  };
}

const NEAR = 80n;

/** The caps that the last poll read. */
export function readCaps(book: Book, vendor: string): readonly VendorCap[] {
  const kept = book.fact<readonly (Omit<VendorCap, "nano"> & { readonly nano: string })[]>(vendor, "caps") ?? [];
  return kept.map((cap) => ({ ...cap, nano: BigInt(cap.nano) }));
}

export function keepCaps(book: Book, vendor: string, caps: readonly VendorCap[]): void {
  book.putFact(
    vendor,
    "caps",
    caps.map((cap) => ({ ...cap, nano: `${cap.nano}` })),
  );
}

/**
 * Compares a vendor's caps with our budgets: a vendor stops all agents in its scope, a budget only the agent that
 * spends.
 */
export function compareCaps({ caps, budgets, names, billed }: CapInput): readonly CapRow[] {
  const monthly = budgets.filter(({ per, unit }) => unit === "usd" && per.kind === "month");
  return caps.map((cap) => {
    const used = cap.per === "month" ? usedOf(cap, billed) : undefined;
    return {
      scope: scopeOf(cap, names),
      per: cap.per,
      effect: cap.effect,
      cap: cap.nano,
      used,
      remark: remarkOf(cap, used, monthly),
    };
  });
}

function scopeOf({ scope, id }: VendorCap, names: Names): string {
  if (id === "") return scope;
  return `${scope} ${scope === "key" ? names.key(id) : names.project(id)}`;
}

function usedOf({ scope, id }: VendorCap, { projects, keys, all }: CapInput["billed"]): Nano | undefined {
  if (scope === "organization") return all;
  if (scope === "project" || scope === "workspace") return projects.get(id) ?? 0n;
  return scope === "key" ? (keys.get(id) ?? 0n) : undefined;
}

function remarkOf(cap: VendorCap, used: Nano | undefined, budgets: readonly Budget[]): string {
  if (cap.effect === "off") return "switched off";
  if (used !== undefined && used >= cap.nano) return cap.effect === "stops" ? "reached: calls are refused" : "reached";
  if (used !== undefined && used * 100n >= cap.nano * NEAR) return "nearly reached";
  if (cap.effect === "tells" || cap.per !== "month") return "";
  if (budgets.length === 0) return "no monthly budget is below it: the vendor would stop every agent";
  const above = budgets.filter(({ cap: ours }) => BigInt(ours) > cap.nano);
  if (above.length === 0) return "";
  const names = above.map(({ name }) => name).join(", ");
  return `below our ${above.length === 1 ? "budget" : "budgets"} ${names}: the vendor stops every agent first`;
}
