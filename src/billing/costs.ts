import { type Nano, usdOf } from "../core/money.ts";
import type { Names } from "./names.ts";
import type { BillLine } from "./reconcile/reconcile.ts";

/** An amount of a day for finance, and the tags it is allocated to. */
export interface CostLine {
  readonly description: string;
  readonly usd: number;
  /** No value is empty. */
  readonly tags: Readonly<Record<string, string>>;
}

/** Receives a day's allocated bill. An upload replaces an earlier one of the vendor and day, and never adds to it. */
export interface CostSink {
  /**
   * @param vendor its title
   * @param day start of the UTC day, in milliseconds since the epoch
   * @param earlier the id of the earlier upload for that day, if known
   * @returns the id of the new upload
   */
  replace(
    vendor: string,
    day: number,
    lines: readonly CostLine[],
    earlier: string | undefined,
  ): Promise<string | undefined>;
}

/** A line for each project, key, model and agent. */
export function costLines(names: Names, lines: readonly BillLine[]): readonly CostLine[] {
  const sums = new Map<string, { tags: Record<string, string>; model: string; nano: Nano }>();
  for (const { project, key, model, bearer, billed } of lines) {
    if (billed === 0n) continue;
    const all = {
      project: names.project(project),
      key: names.key(key),
      model,
      agent: bearer?.agent ?? "",
      root_agent: bearer?.rootAgent ?? "",
      team: bearer?.team ?? "",
      governed: bearer === undefined ? "false" : "true",
    };
    const tags = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
    const id = JSON.stringify(tags);
    const sum = sums.get(id) ?? { tags, model, nano: 0n };
    sums.set(id, sum);
    sum.nano += billed;
  }
  return [...sums.values()]
    .filter(({ nano }) => nano !== 0n)
    .map(({ tags, model, nano }) => ({ description: model === "" ? "other" : model, usd: usdOf(nano), tags }));
}
