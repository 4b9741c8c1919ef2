import type { Alert, Status } from "./alert.ts";
import { groupName, type Watch } from "./watch.ts";

/** How a monitor stands, as Datadog's API says it. */
export interface MonitorStates {
  readonly overall: Status;
  /** When that changed, in seconds; undefined while it never did. */
  readonly modified: number | undefined;
  readonly groups: readonly MonitorGroup[];
}

export interface MonitorGroup {
  /** `agent:a,team:t`, or `*`. */
  readonly name: string;
  readonly status: Status;
  readonly marks: Alert["marks"];
}

const WORST_FIRST: readonly Status[] = ["Alert", "Warn", "No Data", "OK"];

export function statesOf({ alerts, rules }: Watch): MonitorStates {
  const groups: MonitorGroup[] = [];
  let modified: number | undefined;
  for (const alert of alerts.values()) {
    const { tags, status, marks, since } = alert;
    const shown = alert.seen || status !== "OK" || marks.resolved !== undefined ? status : "No Data";
    groups.push({ name: groupName(rules?.by ?? [], tags), status: shown, marks });
    if (Object.keys(marks).length > 0) modified = Math.max(modified ?? 0, since);
  }
  const overall = WORST_FIRST.find((status) => groups.some((group) => group.status === status)) ?? "No Data";
  return { overall, modified, groups };
}
