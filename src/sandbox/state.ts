import { groupName, type Watch } from "./monitor/watch.ts";
import type { Sandbox } from "./sandbox.ts";
import { SEMANTICS } from "./semantics.ts";
import { type BudgetsView, type CircuitsView, compareStatus, type MonitorView, type StateView } from "./view.ts";

const NOTICE =
  "This is not Datadog. It is a stand-in on this machine that evaluates the monitors and draws the dashboards that spendfuse ships, as far as their behaviour is documented.";
const MAX_GROUPS = 200;
const MAX_TRANSITIONS = 50;

/** What the page shows besides dashboards. */
export function viewState(
  { clock, store, account, engine }: Sandbox,
  spans: number,
  circuits: CircuitsView,
  budgets: BudgetsView,
): StateView {
  const { points, series, held, limit } = store.stats;
  return {
    notice: NOTICE,
    now: clock.now(),
    clock: { type: clock.type, speed: clock.speed },
    intake: { points, series, spans, held, limit, dropped: store.dropped },
    monitors: [...engine.watches.values()].map((watch) => viewMonitor(watch, engine.transitions)),
    circuits,
    budgets,
    webhooks: engine.webhooks.slice(0, MAX_TRANSITIONS),
    dashboards: account.dashboards().map(({ id, body }) => ({ id, title: String(body.title) })),
    semantics: SEMANTICS,
  };
}

function viewMonitor(watch: Watch, transitions: Sandbox["engine"]["transitions"]): MonitorView {
  const { id, body, rules, refused, alerts } = watch;
  const groups = [...alerts.values()].map(({ tags, status, value, since }) => {
    return { group: groupName(rules?.by ?? [], tags), status, value, since };
  });
  groups.sort((a, b) => compareStatus(a, b) || (b.value ?? 0) - (a.value ?? 0));
  return {
    id,
    name: String(body.name),
    query: String(body.query),
    message: String(body.message ?? ""),
    tags: (body.tags as readonly string[] | undefined) ?? [],
    priority: typeof body.priority === "number" ? body.priority : undefined,
    critical: rules?.critical,
    warning: rules?.warning,
    status: groups[0]?.status ?? "OK",
    groups: groups.slice(0, MAX_GROUPS),
    refused,
    transitions: transitions.filter(({ monitor }) => monitor === id).slice(0, MAX_TRANSITIONS),
  };
}
