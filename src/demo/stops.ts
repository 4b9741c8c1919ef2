import { setTimeout as wait } from "node:timers/promises";
import type { SettledCall } from "../core/call.ts";
import type { Blocked } from "../guard/blocked.ts";
import type { Style } from "../terminal/style.ts";
import type { RunInScope } from "./agents.ts";
import { dollars } from "./amounts.ts";
import type { Clients } from "./clients.ts";
import type { BilledCall } from "./fake-vendor.ts";
import type { Ask } from "./requests.ts";
import { type Happened, SPEED, type StandIn } from "./stand-in.ts";

/** What the demo's configuration caps: one agent, at half a cent. */
export const SPENDER_USD = 0.005;
export const SPENDER = "spender";
/** What the shipped monitor of burning money fast is set to: dollars in five minutes. */
const BURN_USD = 0.25;
export const DEMO_LIMITS: ReadonlyMap<string, number> = new Map([
  ["agent_fast_burn", BURN_USD],
  ["root_agent_fast_burn", BURN_USD],
]);
const BURN_MONITOR = "Agent spend over limit in 5 minutes";
/** Alerts as well: an agent that nobody called is its own root agent. */
export const BURN_MONITORS = [BURN_MONITOR, "Root agent spend over limit in 5 minutes"];
export const RUNAWAY = "runaway";
const NEIGHBOUR = "neighbour";
/** The agents of this part, each with its own key. */
export const STOPPED = [SPENDER, RUNAWAY, NEIGHBOUR];
const MAX_SPENDER_CALLS = 60;
const MAX_RUNAWAY_MS = 40_000;
/** Concurrent calls of the runaway agent. */
const AT_ONCE = 6;
/** Time limit for the breaker and the event stream on a busy machine, in milliseconds. */
const MAX_BLOCK_MS = 2_000;

export interface StopsStage {
  readonly clients: Clients;
  readonly scope: RunInScope;
  readonly bill: readonly BilledCall[];
  readonly settled: readonly SettledCall[];
  readonly standIn: StandIn;
  readonly isBlocked: (error: unknown) => Blocked | undefined;
  flush(): Promise<void>;
}

export interface Stops {
  readonly lines: readonly string[];
  /** Discrepancies, in words. */
  readonly problems: readonly string[];
}

/** An agent that keeps calling until it is stopped. */
interface Loop {
  calls: number;
  blocked: Blocked | undefined;
  readonly began: number;
  /** When it was refused, by `performance.now()`. */
  refusedAt: number;
}

/** One agent runs into its budget, one is stopped by a monitor's webhook, and their neighbour keeps running. */
export async function runStops(stage: StopsStage, style: Style): Promise<Stops> {
  const { standIn } = stage;
  const small = { model: "gpt-5", effort: "minimal", maxTokens: 40 } as const;
  const large = { model: "gpt-5.5", maxTokens: 400 } as const;
  const spender = newLoop();
  await loop(stage, SPENDER, small, spender, () => spender.calls >= MAX_SPENDER_CALLS, 0);

  const runaway = newLoop();
  const neighbour = newLoop();
  let after = 0;
  const isOver = (): boolean => Date.now() - runaway.began > MAX_RUNAWAY_MS;
  await Promise.all([
    ...Array.from({ length: AT_ONCE }, () => loop(stage, RUNAWAY, large, runaway, isOver, 40)),
    loop(
      stage,
      NEIGHBOUR,
      small,
      neighbour,
      () => {
        if (runaway.blocked !== undefined) after += 1;
        return after > 3 || isOver();
      },
      300,
    ),
  ]);
  await stage.flush();
  const billed = costOf(stage.bill, RUNAWAY);
  const again = newLoop();
  await loop(stage, RUNAWAY, small, again, () => again.calls > 0, 0);

  const spent = costOf(stage.bill, SPENDER);
  const alert = standIn.happened.find(
    ({ monitor, group, transition }) =>
      monitor === BURN_MONITOR && group === `agent:${RUNAWAY}` && transition === "Triggered",
  );
  const facts: Facts = { spender, runaway, neighbour, after, again, spent, billed, alert };
  const problems = problemsOf(facts, stage);
  return { lines: linesOf(facts, problems, stage, style), problems };
}

interface Facts {
  readonly spender: Loop;
  readonly runaway: Loop;
  readonly neighbour: Loop;
  /** Looks of the neighbour after the other was stopped. */
  readonly after: number;
  readonly again: Loop;
  /** Nano-USD of the budgeted agent, and of the runaway. */
  readonly spent: number;
  readonly billed: number;
  readonly alert: Happened | undefined;
}

const LIMIT = SPENDER_USD * 1e9;

function problemsOf(
  { spender, runaway, neighbour, after, again, spent, billed, alert }: Facts,
  stage: StopsStage,
): readonly string[] {
  const metered = stage.settled
    .filter(({ scope }) => scope.agent === RUNAWAY)
    .reduce((sum, { costUsd = 0 }) => sum + Math.round(costUsd * 1e9), 0);
  const arrived = stage.standIn.byAgent.get(RUNAWAY)?.cost;
  const blockMs = runaway.refusedAt - (stage.standIn.answeredAt ?? 0);
  const checks: readonly (readonly [boolean, string])[] = [
    [spender.blocked?.reason === "budget", `${SPENDER} was not stopped by its budget`],
    [spent > 0 && spent <= LIMIT, `${SPENDER} was billed ${dollars(spent, 6)} of ${dollars(LIMIT, 6)}`],
    [alert !== undefined, `the monitor "${BURN_MONITOR}" did not alert on ${RUNAWAY}`],
    [alert?.notified.includes("@webhook-spendfuse") === true, "the alert did not call the webhook"],
    [runaway.blocked?.source === "datadog", `${RUNAWAY} was not stopped by the webhook`],
    [blockMs <= MAX_BLOCK_MS, `it took ${Math.round(blockMs)} ms from the webhook's answer to the refusal`],
    [again.blocked !== undefined && costOf(stage.bill, RUNAWAY) === billed, `${RUNAWAY} spent after it was stopped`],
    [
      billed === metered && billed === arrived,
      `${RUNAWAY}: billed ${billed}, metered ${metered}, arrived ${arrived} nano-dollars`,
    ],
    [neighbour.blocked === undefined && after > 3, `${NEIGHBOUR} was stopped, too`],
  ];
  return checks.flatMap(([holds, problem]) => (holds ? [] : [problem]));
}

function linesOf(facts: Facts, problems: readonly string[], { standIn }: StopsStage, style: Style): readonly string[] {
  const { spender, runaway, neighbour, spent, billed, alert } = facts;
  const minutes = alert === undefined ? Number.NaN : (alert.at - standIn.timeAt(runaway.began)) / 60;
  const blockMs = Math.max(0, runaway.refusedAt - (standIn.answeredAt ?? 0));
  const others = [
    ...new Set(
      standIn.happened.flatMap(({ monitor, transition }) =>
        transition === "Triggered" && !BURN_MONITORS.includes(monitor) ? [monitor] : [],
      ),
    ),
  ];
  return [
    `${style.bold("WHAT SPENDFUSE STOPS")}: before the call is sent`,
    `${SPENDER.padEnd(12)}${spender.calls} calls, ${dollars(spent, 6)} billed; the next would pass its ${dollars(LIMIT, 3)} a run: refused`,
    `${RUNAWAY.padEnd(12)}${runaway.calls} calls; monitor "${BURN_MONITOR}", webhook, breaker: refused`,
    `${NEIGHBOUR.padEnd(12)}${neighbour.calls} calls; not stopped`,
    "",
    `${style.bold("HOW THE RUNAWAY WAS STOPPED")}: on the sandbox's clock a second is ${SPEED / 60} minute`,
    `  spend at the alert    ${dollars((alert?.value ?? Number.NaN) * 1e9, 6)} in five minutes; the limit is ${dollars(BURN_USD * 1e9, 2)}`,
    `  time to the alert     ${minutes.toFixed(1)} min simulated, from its first call`,
    `  time to block         ${Math.round(blockMs)} ms, from the webhook's answer to its next call, which was refused`,
    `  final bill            ${dollars(billed, 6)}; metered and arrived the same`,
    ...(others.length > 0 ? [style.dim(`  also alerting: ${others.join("; ")}`)] : []),
    "",
    problems.length === 0
      ? style.good("✓ 2 of 2 agents were stopped, each by one typed error and no retry; the other keeps running")
      : style.bad("✗ not everything was as it had to be"),
    ...problems.map((problem) => style.bad(`✗ ${problem}`)),
  ];
}

function newLoop(): Loop {
  return { calls: 0, blocked: undefined, began: Date.now(), refusedAt: Number.POSITIVE_INFINITY };
}

function costOf(bill: readonly BilledCall[], agent: string): number {
  return bill.reduce((sum, call) => sum + (call.agent === agent ? call.cost : 0), 0);
}

async function loop(
  { clients, scope, isBlocked }: StopsStage,
  agent: string,
  how: Pick<Ask, "model" | "effort" | "maxTokens">,
  state: Loop,
  isDone: () => boolean,
  pauseMs: number,
): Promise<void> {
  while (!isDone()) {
    try {
      await scope({ agent }, () => clients.openaiChat.whole({ ...how, agent, prompt: "Go on." }));
      state.calls += 1;
    } catch (error) {
      const blocked = isBlocked(error);
      if (blocked === undefined) throw error;
      state.blocked ??= blocked;
      state.refusedAt = Math.min(state.refusedAt, performance.now());
      return;
    }
    await wait(pauseMs);
  }
}
