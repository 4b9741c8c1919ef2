import { type Nano, usdOf } from "../core/money.ts";
import type { Names } from "./names.ts";
import type { BillLine } from "./reconcile/reconcile.ts";

/** An amount of a day for finance, with who it is for. */
export interface CostLine {
  readonly description: string;
  readonly usd: number;
  /** None of them is empty. */
  readonly tags: Readonly<Record<string, string>>;
}

/** Where a day's allocated bill is kept for finance: what is there of the same vendor and day is replaced, never added to. */
export interface CostSink {
  /**
   * @param vendor its title
   * @param day start of the UTC day, in milliseconds since the epoch
   * @param earlier the id of what was uploaded for that day before, where it is known
   * @returns the id of what is there now
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
