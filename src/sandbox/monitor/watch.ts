import type { SeriesStore } from "../series/series.ts";
import { type Alert, newAlert, nextAlert, type Transition } from "./alert.ts";
import { measure } from "./measure.ts";
import { type Rules, readRules } from "./rules.ts";

/** A monitor that is being evaluated, group by group. */
export interface Watch {
  readonly id: number;
  readonly body: Readonly<Record<string, unknown>>;
  /** Undefined when the sandbox cannot evaluate it; `refused` is the reason. */
  readonly rules: Rules | undefined;
  readonly refused: string | undefined;
  readonly alerts: ReadonlyMap<string, Alert>;
  /** Evaluates it when it is due. `now` is a whole minute, in seconds. */
  evaluate(now: number): readonly Change[];
}

/** A transition of one group. */
export interface Change {
  readonly watch: Watch;
  readonly alert: Alert;
  readonly transition: Transition;
  readonly at: number;
}

/** Groups without data for this long are dropped, and are new when they report again. */
const FORGET_S = 86_400;
/** Groups of one monitor. */
const MAX_GROUPS = 10_000;

export function createWatch(
  id: number,
  body: Readonly<Record<string, unknown>>,
  store: SeriesStore,
  began: number,
): Watch {
  const alerts = new Map<string, Alert>();
  let rules: Rules | undefined;
  let refused: string | undefined;
  try {
    rules = readRules(body);
    // A monitor without groups exists from the beginning, with or without data.
    if (rules.by.length === 0) alerts.set("", newAlert([], began));
  } catch (error) {
    refused = (error as Error).message;
  }

  function look(known: Rules, now: number): readonly Change[] {
    const measured = measure(known, store, now);
    for (const [key, { tags }] of measured)
      if (!alerts.has(key) && alerts.size < MAX_GROUPS) alerts.set(key, newAlert(tags, now));
    const changes: Change[] = [];
    for (const [key, before] of alerts) {
      const { alert, transition } = nextAlert(before, measured.get(key), now, known);
      if (known.by.length > 0 && now - alert.lastData >= FORGET_S && alert.status !== "Alert") alerts.delete(key);
      else alerts.set(key, alert);
      if (transition !== undefined) changes.push({ watch, alert, transition, at: now });
    }
    return changes;
  }

  const watch: Watch = {
    id,
    body,
    get rules() {
      return refused === undefined ? rules : undefined;
    },
    get refused() {
      return refused;
    },
    alerts,
    evaluate(now) {
      if (rules === undefined || refused !== undefined || now % rules.every !== 0) return [];
      try {
        return look(rules, now);
      } catch (error) {
        // What the query needs is only known when it is evaluated.
        refused = (error as Error).message;
        return [];
      }
    },
  };
  return watch;
}

/** A group as `agent:researcher,team:search`; `*` without one. */
export function groupName(by: readonly string[], tags: readonly string[]): string {
  return by.length === 0 ? "*" : by.map((key, index) => `${key}:${tags[index]}`).join(",");
}
