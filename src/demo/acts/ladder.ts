import type { SettledCall } from "../../core/call.ts";
import type { Blocked } from "../../guard/blocked.ts";
import type { Remaining } from "../../guard/budgets/remaining.ts";
import type { Style } from "../../terminal/style.ts";
import type { RunInScope } from "../agents.ts";
import { dollars } from "../amounts.ts";
import type { Clients } from "../clients.ts";
import type { BilledCall } from "../fake-vendor.ts";

/** The agent whose budget warns and downgrades before it stops it, and that budget. */
export const CLIMBER = "climber";
export const CLIMB_BUDGET = "climber run";
const CAP_USD = 0.02;
const MODEL = "gpt-5.5";
const CHEAPER = "gpt-5";
const RAISE_USD = 0.02;
/** Calls after the raise: then the run has come to its end. */
const LAST_CALLS = 2;
const MAX_CALLS = 100;

export const CLIMB = {
  name: CLIMB_BUDGET,
  scope: { agent: CLIMBER },
  per: "run",
  usd: CAP_USD,
  warnAt: 0.4,
  ladder: { downgrade: { at: 0.6, models: { [MODEL]: CHEAPER } } },
} as const;

export interface LadderStage {
  readonly clients: Clients;
  readonly scope: RunInScope;
  readonly bill: readonly BilledCall[];
  readonly settled: readonly SettledCall[];
  readonly breaker: { readonly url: string; readonly token: string };
  remaining(): Promise<readonly Remaining[]>;
  isBlocked(error: unknown): Blocked | undefined;
  flush(): Promise<void>;
}

export interface LadderPart {
  readonly lines: readonly string[];
  /** Discrepancies, in words. */
  readonly problems: readonly string[];
}

interface Facts {
  readonly stopped: Blocked | undefined;
  readonly warning: string | undefined;
  readonly dear: number;
  readonly cheap: number;
  /** USD that the run had left when it was stopped, and once it was raised. */
  readonly left: readonly (number | undefined)[];
  readonly raised: number;
  /** Calls after the raise that passed. */
  readonly after: number;
  /** Nano-USD of the whole run, as the vendor billed it and as it was metered. */
  readonly billed: number;
  readonly metered: number;
}

/** One run from its first call to its end: a warning, a cheaper model, a stop, an operator's raise, and the rest of it. */
export async function runLadder(stage: LadderStage, style: Style): Promise<LadderPart> {
  const stderr = listen();
  const facts = await climb(stage, stderr.lines).finally(stderr.end);
  const problems = problemsOf(facts);
  return { lines: linesOf(facts, problems, style), problems };
}

/** Notes what is written to stderr, where a user reads of it. */
function listen(): { readonly lines: readonly string[]; readonly end: () => void } {
  const { stderr } = process;
  const { write } = stderr;
  const lines: string[] = [];
  stderr.write = (...args: readonly unknown[]): boolean => {
    lines.push(String(args[0]));
    return Reflect.apply(write, stderr, args) as boolean;
  };
  const end = (): void => {
    stderr.write = write;
  };
  return { lines, end };
}

async function climb(stage: LadderStage, said: readonly string[]): Promise<Facts> {
  const { scope, settled, bill } = stage;
  let stopped: Blocked | undefined;
  for (let call = 0; stopped === undefined && call < MAX_CALLS; call++) stopped = await callOnce(stage);
  const leftOf = async (): Promise<number | undefined> => {
    const rows = await scope({ agent: CLIMBER }, () => stage.remaining());
    return rows.find(({ budget }) => budget === CLIMB_BUDGET)?.left;
  };
  const before = await leftOf();
  const raised = await raise(stage, stopped);
  const after = await leftOf();
  let passed = 0;
  for (let call = 0; call < LAST_CALLS; call++) if ((await callOnce(stage)) === undefined) passed += 1;
  await stage.flush();
  const own = settled.filter(({ scope: whose, ending }) => whose.agent === CLIMBER && ending !== "blocked");
  const cheap = own.filter(({ changes }) => changes?.model === MODEL).length;
  return {
    stopped,
    warning: said.find((line) => line.includes(CLIMB_BUDGET) && line.includes("% spent")),
    dear: own.length - cheap,
    cheap,
    left: [before, after],
    raised,
    after: passed,
    billed: bill.reduce((sum, { agent, cost }) => sum + (agent === CLIMBER ? cost : 0), 0),
    metered: own.reduce((sum, { costUsd = 0 }) => sum + Math.round(costUsd * 1e9), 0),
  };
}

/** Undefined where it passes. */
async function callOnce({ clients, scope, isBlocked }: LadderStage): Promise<Blocked | undefined> {
  try {
    const how = { agent: CLIMBER, model: MODEL, effort: "minimal", maxTokens: 60, prompt: "Go on." } as const;
    await scope({ agent: CLIMBER }, () => clients.openaiChat.whole(how));
    return undefined;
  } catch (error) {
    const blocked = isBlocked(error);
    if (blocked === undefined) throw error;
    return blocked;
  }
}

/** As `spendfuse budget raise` does it. Returns the status. */
async function raise({ breaker }: LadderStage, stopped: Blocked | undefined): Promise<number> {
  const answer = await fetch(`${breaker.url}/budgets/raise`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${breaker.token}` },
    body: JSON.stringify({
      ...{ budget: CLIMB_BUDGET, scope: `agent:${CLIMBER}`, run: stopped?.run, amount: RAISE_USD },
      ...{ reason: "the report is nearly done", by: "operator" },
    }),
  });
  await answer.text();
  return answer.status;
}

function problemsOf({ stopped, warning, dear, cheap, left, raised, after, billed, metered }: Facts): readonly string[] {
  const [before = Number.NaN, then = Number.NaN] = left;
  const checks: readonly (readonly [boolean, string])[] = [
    [warning !== undefined, `${CLIMBER} was not warned of`],
    [dear > 0 && cheap > LAST_CALLS, `${CLIMBER} was sent to ${MODEL} ${dear} times and to ${CHEAPER} ${cheap} times`],
    [stopped?.reason === "budget", `${CLIMBER} was not stopped by its budget`],
    [raised === 200, `the raise was answered with ${raised}`],
    [Math.abs(then - before - RAISE_USD) < 1e-9, `$${before} were left before the raise, $${then} after it`],
    [after === LAST_CALLS, `${after} of ${LAST_CALLS} calls passed after the raise`],
    [billed === metered, `${CLIMBER}: billed ${billed}, metered ${metered} nano-dollars`],
    [billed <= (CAP_USD + RAISE_USD) * 1e9, `${CLIMBER} was billed ${dollars(billed, 6)}`],
  ];
  return checks.flatMap(([holds, problem]) => (holds ? [] : [problem]));
}

function linesOf(facts: Facts, problems: readonly string[], style: Style): readonly string[] {
  const { warning = "", dear, cheap, left, after, billed } = facts;
  const share = /(\d+) % spent/.exec(warning)?.[1] ?? "?";
  const [before = Number.NaN, then = Number.NaN] = left;
  return [
    `${style.bold("WHAT A CAP DOES BEFORE IT STOPS")}: the run of ${CLIMBER}, $${CAP_USD}`,
    `  warned at       ${share} % of the cap`,
    `  downgraded      ${cheap} calls for ${MODEL} were sent to ${CHEAPER}, after ${dear} as they were`,
    `  stopped         with ${dollars(before * 1e9, 6)} left: too little for the next call`,
    `  raised          by an operator, with a reason; ${dollars(then * 1e9, 6)} left`,
    `  ended           after ${after} more calls, ${dollars(billed, 6)} billed; metered the same`,
    problems.length === 0
      ? style.good("✓ warned, downgraded, stopped, raised and ended, with no process started again")
      : style.bad("✗ not everything was as it had to be"),
    ...problems.map((problem) => style.bad(`✗ ${problem}`)),
  ];
}
