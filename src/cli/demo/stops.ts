import type { Blocked } from "../../guard/blocked.ts";
import type { RunInScope } from "./agents.ts";
import type { Clients } from "./clients.ts";
import type { BilledCall } from "./fake-vendor.ts";
import { dollars, type Style } from "./style.ts";

/** What the demo's configuration caps: one agent, at half a cent. */
export const SPENDER_USD = 0.005;
export const SPENDER = "spender";
const RUNAWAY = "runaway";
const NEIGHBOUR = "neighbour";
/** No agent makes more calls than this, stopped or not. */
const MAX_CALLS = 60;

export interface StopsStage {
  readonly clients: Clients;
  readonly scope: RunInScope;
  readonly bill: readonly BilledCall[];
  /** Where the breaker inside this process listens. */
  readonly breakerUrl: string;
  readonly isBlocked: (error: unknown) => Blocked | undefined;
}

export interface Stops {
  readonly lines: readonly string[];
  /** Whatever is not as it must be, in words. */
  readonly problems: readonly string[];
}

/** An agent without an end, that calls until somebody stops it. */
interface Loop {
  calls: number;
  blocked: Blocked | undefined;
}

/** One agent runs into its budget, one is stopped by the webhook of a monitor, and their neighbour goes on. */
export async function runStops(stage: StopsStage, style: Style): Promise<Stops> {
  const began = stage.bill.length;
  const spender = await loop(stage, SPENDER, () => false);
  const runaway: Loop = { calls: 0, blocked: undefined };
  let answered = 0;
  await loop(
    stage,
    RUNAWAY,
    () => false,
    runaway,
    async () => {
      if (runaway.calls === 3) answered = await sendWebhook(stage.breakerUrl);
    },
  );
  const neighbour = await loop(stage, NEIGHBOUR, ({ calls }) => calls === 3);

  const spent = stage.bill.slice(began).reduce((sum, call) => sum + (call.agent === SPENDER ? call.cost : 0), 0);
  const limit = SPENDER_USD * 1e9;
  const problems = [
    ...(spender.blocked?.reason === "budget" ? [] : [`${SPENDER} was not stopped by its budget`]),
    ...(spent > 0 && spent <= limit ? [] : [`${SPENDER} was billed ${dollars(spent, 6)} of ${dollars(limit, 6)}`]),
    ...(runaway.blocked?.source === "datadog" ? [] : [`${RUNAWAY} was not stopped by the webhook (${answered})`]),
    ...(neighbour.blocked === undefined && neighbour.calls === 3 ? [] : [`${NEIGHBOUR} was stopped, too`]),
  ];
  const until = new Date(runaway.blocked?.until ?? 0).toISOString().slice(11, 16);
  const lines = [
    `${style.bold("WHAT SPENDFUSE STOPS")}: before the call is sent`,
    `${SPENDER.padEnd(12)}${spender.calls} calls, ${dollars(spent, 6)} billed; the next would pass its ${dollars(limit, 3)} a run: refused`,
    `${RUNAWAY.padEnd(12)}${runaway.calls} calls; then a Datadog monitor's webhook: refused until ${until} UTC`,
    `${NEIGHBOUR.padEnd(12)}${neighbour.calls} calls; nobody stopped it`,
    "",
    problems.length === 0
      ? style.good("✓ 2 of 2 agents were stopped, each by one typed error and no retry; the other goes on")
      : style.bad("✗ not everybody was stopped who had to be"),
    ...problems.map((problem) => style.bad(`✗ ${problem}`)),
  ];
  return { lines, problems };
}

async function loop(
  { clients, scope, isBlocked }: StopsStage,
  agent: string,
  isDone: (loop: Loop) => boolean,
  state: Loop = { calls: 0, blocked: undefined },
  between: () => Promise<void> = async () => {},
): Promise<Loop> {
  const ask = { agent, model: "gpt-5", effort: "minimal", maxTokens: 40, prompt: "Go on." } as const;
  while (state.calls < MAX_CALLS && !isDone(state)) {
    try {
      await scope({ agent }, () => clients.openaiChat.whole(ask));
      state.calls += 1;
    } catch (error) {
      state.blocked = isBlocked(error);
      if (state.blocked === undefined) throw error;
      return state;
    }
    await between();
  }
  return state;
}

/** What Datadog sends when a monitor that is grouped by agent alerts. */
async function sendWebhook(breakerUrl: string): Promise<number> {
  const body = {
    v: 1,
    monitor: "4711",
    event: "1",
    transition: "Triggered",
    cycle: "1",
    scope: `agent:${RUNAWAY}`,
    tags: `agent:${RUNAWAY},service:demo`,
    at: String(Date.now()),
    org: "1",
  };
  const headers = { "content-type": "application/json" };
  const { status } = await fetch(`${breakerUrl}/webhooks/datadog`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  return status;
}
