import type { Scope } from "../../core/scope.ts";
import { boundTags, boundValue, type TagBounds } from "../../core/tags/tags.ts";
import type { Charge } from "../../pricing/charge.ts";
import { scopeTags } from "./aggregate.ts";
import type { Counter, Tables, Tags } from "./tables.ts";

/** What single events are counted in. */
export interface Counts {
  readonly tables: Tables;
  readonly bounds: TagBounds;
  readonly processName: () => string;
}

export function countCharge({ tables, bounds, processName }: Counts, { scope, what, costNano }: Charge): void {
  if (costNano === 0) return;
  const shown = boundValue(bounds, "what", what);
  count(tables.charges, { ...scopeTags(scope, bounds), what: shown, process: processName() }, costNano);
}

export function countBlocked(
  { tables, bounds, processName }: Counts,
  scope: Scope,
  reason: string,
  mode: string,
): void {
  const team = scope.team === undefined ? {} : { team: scope.team };
  const own = boundTags(bounds, scope);
  const tags = {
    agent: scope.agent,
    root_agent: scope.rootAgent,
    ...team,
    ...own,
    reason,
    mode,
    process: processName(),
  };
  count(tables.blocked, tags);
}

export function countFault({ tables, processName }: Counts, step: string): void {
  count(tables.faults, { step, process: processName() });
}

export function count({ table }: Counter, tags: Tags, amount = 1): void {
  const series = table.open(tags);
  series.value += amount;
  table.touch(series);
}
