import type { MonitorGroup, MonitorStates } from "../monitor/states.ts";
import type { Body } from "./answer.ts";
import { iso } from "./iso.ts";

/** How a monitor stands as a whole. */
export function showOverall(states: MonitorStates | undefined): Body {
  const { overall = "No Data", modified } = states ?? {};
  return { overall_state: overall, overall_state_modified: modified === undefined ? null : iso(modified) };
}

/**
 * The groups that a request asks for.
 * @param wanted `all`, or some of `alert`, `warn` and `no data`.
 */
export function showGroups(states: MonitorStates | undefined, wanted: readonly string[]): Body {
  const all = wanted.includes("all");
  const chosen = (states?.groups ?? []).filter(({ status }) => all || wanted.includes(status.toLowerCase()));
  return { groups: Object.fromEntries(chosen.map((group) => [group.name, showGroup(group)])) };
}

function showGroup({ name, status, marks }: MonitorGroup): Body {
  return {
    name,
    status,
    last_triggered_ts: marks.triggered ?? null,
    last_resolved_ts: marks.resolved ?? null,
    last_nodata_ts: marks.noData ?? null,
    last_notified_ts: marks.notified ?? null,
  };
}
