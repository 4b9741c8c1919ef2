import { randomUUID } from "node:crypto";
import { compileFilter, type Matches, parseFilter } from "../../../datadog/query/filter.ts";

/** A downtime, whichever version of the API made it. Times are in seconds. */
export interface Downtime {
  readonly id: number;
  readonly uuid: string;
  /** `agent:a AND team:t`, or `*`. */
  readonly scope: string;
  /** One monitor, or those with all of these tags; `["*"]` is every monitor. */
  readonly of: { readonly monitor: number } | { readonly tags: readonly string[] };
  readonly start: number;
  readonly end: number | null;
  readonly canceled: number | null;
  readonly message: string | null;
  readonly timezone: string;
  readonly created: number;
  readonly modified: number;
}

/** What a request says of a downtime. */
export type DowntimeOrder = Pick<Downtime, "scope" | "of" | "start" | "end" | "message" | "timezone">;

export type DowntimeStatus = "active" | "scheduled" | "canceled" | "ended";

/** The downtimes of an account. */
export interface Downtimes {
  readonly all: readonly Downtime[];
  add(order: DowntimeOrder): Downtime;
  change(known: Downtime, order: DowntimeOrder): Downtime;
  cancel(known: Downtime): void;
  /** Those that apply to a monitor now. */
  matching(monitor: DowntimeTarget): readonly Downtime[];
}

export interface DowntimeTarget {
  readonly id: number;
  readonly tags: readonly string[];
}

const FIRST_ID = 1_600;
const MAX_DOWNTIMES = 2_000;

/** @param now Seconds. */
export function createDowntimes(now: () => number): Downtimes {
  let downtimes: readonly Downtime[] = [];
  let next = FIRST_ID;

  function replace(changed: Downtime): Downtime {
    downtimes = downtimes.map((one) => (one.id === changed.id ? changed : one));
    return changed;
  }

  return {
    get all() {
      return downtimes;
    },
    add(order) {
      const at = now();
      const downtime = { ...order, id: next, uuid: randomUUID(), canceled: null, created: at, modified: at };
      next += 1;
      downtimes = [...downtimes, downtime].slice(-MAX_DOWNTIMES);
      return downtime;
    },
    change: (known, order) => replace({ ...known, ...order, modified: now() }),
    cancel(known) {
      if (known.canceled === null) replace({ ...known, canceled: now(), modified: now() });
    },
    matching: (monitor) => downtimes.filter((one) => statusOf(one, now()) === "active" && isFor(one, monitor)),
  };
}

export function statusOf({ canceled, start, end }: Downtime, now: number): DowntimeStatus {
  if (canceled !== null && canceled <= now) return "canceled";
  if (start > now) return "scheduled";
  return end !== null && end <= now ? "ended" : "active";
}

function isFor({ of }: Downtime, { id, tags }: DowntimeTarget): boolean {
  if ("monitor" in of) return of.monitor === id;
  return of.tags.every((tag) => tag === "*" || tags.includes(tag));
}

/** What tells whether a scope covers a group. @throws QueryFault for one that is none */
export function scopeMatches(scope: string): Matches {
  return compileFilter(parseFilter(scope));
}

/** Whether a scope is `*` or says a key for each value. */
export function isScope(scope: string): boolean {
  if (scope !== "*" && !scope.includes(":")) return false;
  try {
    scopeMatches(scope);
    return true;
  } catch {
    return false;
  }
}
