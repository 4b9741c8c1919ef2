import { setTimeout as wait } from "node:timers/promises";
import { createLogFollower } from "../breaker/log-follower.ts";
import type { Changed } from "../cli/commands/breaker/desk.ts";
import { incidentLines, muteAlerting } from "../cli/commands/breaker/incident.ts";
import { METRICS } from "../core/names.ts";
import { postEntry } from "../datadog/circuit-events.ts";
import { openRest, type Rest } from "../datadog/rest/rest.ts";
import { openFile } from "../stores/file/store.ts";
import type { AuditEntry } from "../stores/store.ts";
import type { Style } from "../terminal/style.ts";
import type { Happened, StandIn } from "./stand-in.ts";
import { BURN_MONITORS, RUNAWAY } from "./stops.ts";

export interface IncidentStage {
  readonly standIn: StandIn;
  readonly breaker: { readonly url: string; readonly token: string };
  /** The file store of agents and breaker. */
  readonly store: string;
  flush(): Promise<void>;
}

export interface Incident {
  readonly lines: readonly string[];
  /** Discrepancies, in words. */
  readonly problems: readonly string[];
}

const SCOPES = [`agent:${RUNAWAY}`, `root_agent:${RUNAWAY}`];
/** Of the sandbox's clock. */
const MUTE_S = 60;
const HOUR_S = 3_600;
/** Limit for recovery and gauges, in real milliseconds: the recovery comes minutes of the sandbox after the reset. */
const MAX_WAIT_MS = 20_000;
const LOOK_MS = 100;
/** Characters of a line without its name. */
const WIDTH = 86;
const ON_CALL = "@oncall-demo";

interface StreamEvent {
  readonly title: string;
}

interface Facts {
  /** Scopes of the circuits that were open before the reset. */
  readonly open: readonly string[];
  readonly changed: Changed;
  /** What the command says of the mute. */
  readonly said: readonly string[];
  /** Downtimes that are active after it. */
  readonly muted: number;
  /** Latest values of the gauge of the circuits, by scope. */
  readonly gauges: ReadonlyMap<string, number>;
  readonly recoveries: readonly Happened[];
  /** Titles in the event stream, the oldest first. */
  readonly events: readonly string[];
}

/** The runaway's circuits as its operator sees them: one incident, from the trip to the recovery of its monitors. */
export async function runIncident(stage: IncidentStage, style: Style): Promise<Incident> {
  const { standIn } = stage;
  try {
    const facts = await handle(stage);
    const problems = problemsOf(facts);
    return { lines: linesOf(facts, problems, style), problems };
  } finally {
    standIn.resume();
  }
}

async function handle(stage: IncidentStage): Promise<Facts> {
  const { standIn, breaker, store: address } = stage;
  const env = { DD_API_KEY: "demo", DD_APP_KEY: "demo", SPENDFUSE_DD_API_URL: standIn.url };
  const rest = openRest({ env });
  const store = await openFile(address);
  const follower = createLogFollower(store, 0, (entry) => postEntry(rest, atSandboxTime(standIn, entry)));
  try {
    const open = (await callBreaker<{ readonly circuits: readonly { readonly scope: string }[] }>(breaker, ""))
      .circuits;
    await follower.follow();
    const order = { scope: SCOPES[0], by: "operator", reason: "the loop is fixed" };
    const changed = await callBreaker<Changed>(breaker, "/reset", order);
    const said: string[] = [];
    await muteAlerting(changed, env, (now(standIn) + MUTE_S) * 1_000, (line) => void said.push(line));
    const muted = (await rest.ask("GET", "/api/v1/downtime?current_only=true")) as readonly unknown[];
    standIn.resume();
    await untilOver(stage);
    await follower.follow();
    return {
      open: open.map(({ scope }) => scope).sort(),
      changed,
      said,
      muted: muted.length,
      gauges: gaugesOf(standIn),
      recoveries: recoveriesOf(standIn),
      events: await eventsOf(rest, now(standIn)),
    };
  } finally {
    await store.close();
  }
}

function now(standIn: StandIn): number {
  return Math.floor(standIn.timeAt(Date.now()));
}

/** The sandbox refuses events of its future. */
function atSandboxTime(standIn: StandIn, entry: AuditEntry): AuditEntry {
  const at = standIn.timeAt(entry.at) * 1_000;
  return { ...entry, at, ...(entry.until !== undefined && { until: at + entry.until - entry.at }) };
}

async function callBreaker<T>({ url, token }: IncidentStage["breaker"], path: string, order?: object): Promise<T> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const sent = order === undefined ? {} : { method: "POST", body: JSON.stringify(order) };
  const response = await fetch(`${url}/circuits${path}`, { headers, ...sent });
  if (!response.ok) throw new Error(`the breaker answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

/** Resolves when both monitors have recovered and both gauges are 0, or after the limit. */
async function untilOver({ standIn, flush }: IncidentStage): Promise<void> {
  const end = performance.now() + MAX_WAIT_MS;
  while (performance.now() < end) {
    const closed = [...gaugesOf(standIn).values()].every((value) => value === 0);
    if (closed && recoveriesOf(standIn).length >= BURN_MONITORS.length) return;
    await wait(LOOK_MS);
  }
  await flush();
}

function gaugesOf(standIn: StandIn): ReadonlyMap<string, number> {
  const all = standIn.latestBy(METRICS.circuitOpen.name, "scope");
  return new Map(SCOPES.map((scope) => [scope, all.get(scope) ?? Number.NaN]));
}

function recoveriesOf(standIn: StandIn): readonly Happened[] {
  return standIn.happened.filter(
    ({ monitor, transition, group }) =>
      transition === "Recovered" && BURN_MONITORS.includes(monitor) && SCOPES.includes(group),
  );
}

async function eventsOf(rest: Rest, now: number): Promise<readonly string[]> {
  const range = `start=${now - HOUR_S}&end=${now + HOUR_S}&tags=source:spendfuse`;
  const { events } = (await rest.ask("GET", `/api/v1/events?${range}`)) as { readonly events: readonly StreamEvent[] };
  return events.map(({ title }) => title).reverse();
}

function problemsOf({ open, changed, muted, gauges, recoveries, events }: Facts): readonly string[] {
  const lists = (verb: string): boolean => SCOPES.every((scope) => events.includes(`Circuit ${verb}: ${scope}`));
  const told = recoveries.filter(({ notified, muted: silent }) => !silent && notified.includes(ON_CALL));
  const checks: readonly (readonly [boolean, string])[] = [
    [String(open) === String(SCOPES), `the open circuits were ${open.join(", ") || "none"}`],
    [changed.also?.[0] === SCOPES[1], "the reset of the agent left its root agent's circuit open"],
    [changed.alerting?.length === SCOPES.length, "the reset does not name both monitors that alert"],
    [muted === SCOPES.length, `${muted} scopes were muted`],
    [
      [...gauges.values()].every((value) => value === 0),
      `${METRICS.circuitOpen.name} is ${[...gauges.values()].join(" and ")}`,
    ],
    [told.length === BURN_MONITORS.length, `${told.length} of ${BURN_MONITORS.length} recoveries were told`],
    [lists("opened") && lists("reset"), `the event stream has only ${events.join("; ") || "nothing"}`],
  ];
  return checks.flatMap(([holds, problem]) => (holds ? [] : [problem]));
}

function linesOf(facts: Facts, problems: readonly string[], style: Style): readonly string[] {
  const { open, changed, said, gauges, recoveries, events } = facts;
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ["tripped", [open.join(" and ")]],
    [
      "reset",
      [
        `${changed.scope}: ${changed.state}`,
        ...incidentLines(changed, false).filter((line) => !line.includes("open: ")),
      ],
    ],
    ["muted", said],
    ["gauge", [`${METRICS.circuitOpen.name} is ${[...gauges.values()].join(" and ")}`]],
    ["recovery", [`${recoveries.length} monitors recovered, and told ${ON_CALL}`]],
    ["events", events.filter((title) => title.includes(RUNAWAY))],
  ];
  return [
    `${style.bold("HOW ITS OPERATOR ENDS IT")}: two circuits and two monitors, one incident`,
    ...rows.flatMap(([name, texts]) =>
      texts.flatMap(wrapWords).map((text, index) => `  ${(index === 0 ? name : "").padEnd(10)}${text}`),
    ),
    "",
    problems.length === 0
      ? style.good("✓ one reset closed both circuits, both monitors were muted, and their recovery was told")
      : style.bad("✗ not everything was as it had to be"),
    ...problems.map((problem) => style.bad(`✗ ${problem}`)),
  ];
}

/** A text in lines of {@link WIDTH} characters; the second and later ones are indented. */
function wrapWords(text: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(line === undefined ? word : `  ${word}`);
  }
  return lines;
}
