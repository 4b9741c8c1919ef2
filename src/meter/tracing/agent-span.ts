import { setImmediate } from "node:timers";
import type { Quality, SettledCall } from "../../core/call.ts";
import { ATTR } from "../../core/names.ts";
import type { Usage } from "../../core/usage.ts";
import type { Surroundings } from "./otel-global.ts";
import type { Tracing } from "./tracing.ts";
import { isSame, type TracingAttributes, type TracingSpan } from "./tracing-span.ts";

/**
 * The span of one agent's run, `invoke_agent NAME`, with the sums of every call inside it, sub-agents and streams that
 * finish later included. It ends when the run is over and its last call has settled.
 */
export interface AgentSpan {
  readonly parent: AgentSpan | undefined;
  readonly span: TracingSpan | undefined;
  /** Whether a framework made the span: it is filled, and not ended. */
  readonly enriched: boolean;
  readonly totals: Totals;
  /** The worst of the calls so far. */
  quality: Quality;
  /** Calls whose cost is not known, or not all of it. */
  unpriced: number;
  /** Calls that have not settled. */
  open: number;
  /** Whether the run is over. */
  over: boolean;
  ended: boolean;
}

const WORST: readonly Quality[] = ["reported", "estimated", "unknown"];

interface Totals {
  calls: number;
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  reasoning: number;
  /** Nano-USD. */
  cost: number;
  /** Nano-USD of charges that are no model call; not in `cost`, as with the metrics. */
  charges: number;
}

function addUsage(totals: Totals, usage: Usage): void {
  totals.input += usage.input;
  totals.output += usage.output;
  totals.cacheRead += usage.cacheRead;
  totals.cacheWrite += usage.cacheWrite;
  totals.reasoning += usage.reasoning;
}

export function openAgentSpan(
  tracing: Tracing,
  agent: string,
  parent: AgentSpan | undefined,
  around: Surroundings,
): AgentSpan {
  const active = tracing.active(around);
  // A framework that already made the agent's span keeps it: it is filled, not doubled.
  const enriched = active?.attributes?.[ATTR.operation] === "invoke_agent" && !isSame(active, parent?.span);
  const span = enriched
    ? active
    : tracing.start(around, `invoke_agent ${agent}`, "internal", parent?.span, {
        [ATTR.operation]: "invoke_agent",
        [ATTR.agent]: agent,
      });
  return {
    parent,
    span,
    enriched,
    totals: { calls: 0, input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0, cost: 0, charges: 0 },
    quality: "reported",
    unpriced: 0,
    open: 0,
    over: false,
    ended: false,
  };
}

/** A call inside the run has begun. */
export function addOpenCall(agent: AgentSpan): void {
  agent.open += 1;
  if (agent.parent !== undefined) addOpenCall(agent.parent);
}

/** Adds a settled call that was counted by {@link addOpenCall}. */
export function addSettledCall(agent: AgentSpan, call: SettledCall, costNano: number | undefined): void {
  const { totals, parent } = agent;
  agent.open -= 1;
  if (call.ending !== "blocked") totals.calls += 1;
  const { usage } = call;
  if (usage !== undefined) addUsage(totals, usage);
  if (call.otherModels !== undefined) for (const other of call.otherModels) addUsage(totals, other.usage);
  totals.cost += costNano ?? 0;
  if (call.priced === "false" || call.priced === "partial") agent.unpriced += 1;
  const refused = call.ending === "blocked" || (call.ending === "failed" && usage === undefined);
  if (!refused && WORST.indexOf(call.quality) > WORST.indexOf(agent.quality)) agent.quality = call.quality;
  if (agent.over && agent.open === 0) end(agent);
  else if (agent.enriched) agent.span?.setAttributes(totalsOf(agent));
  if (parent !== undefined) addSettledCall(parent, call, costNano);
}

/** Adds money that was spent inside the run on something other than a model call. */
export function addCharge(agent: AgentSpan, nano: number): void {
  agent.totals.charges += nano;
  if (agent.enriched) agent.span?.setAttributes(totalsOf(agent));
  if (agent.parent !== undefined) addCharge(agent.parent, nano);
}

/** What was counted by {@link addOpenCall} turned out to be no model call. */
export function dropOpenCall(agent: AgentSpan): void {
  agent.open -= 1;
  if (agent.over && agent.open === 0) end(agent);
  if (agent.parent !== undefined) dropOpenCall(agent.parent);
}

/**
 * The run is over.
 * @param error What it threw.
 */
export function finishRun(agent: AgentSpan, error?: unknown): void {
  agent.over = true;
  if (error !== undefined && !agent.enriched) agent.span?.fail(error);
  if (agent.open > 0) return;
  // What returned at once, such as an SDK's stream, makes its first call only a few microtasks later.
  if (agent.totals.calls > 0 || error !== undefined) end(agent);
  else setImmediate(() => agent.open === 0 && end(agent));
}

function totalsOf({ totals, unpriced, quality }: AgentSpan): TracingAttributes {
  return {
    [ATTR.inputTokens]: totals.input,
    [ATTR.outputTokens]: totals.output,
    [ATTR.cacheReadTokens]: totals.cacheRead,
    [ATTR.cacheWriteTokens]: totals.cacheWrite,
    [ATTR.reasoningTokens]: totals.reasoning,
    [ATTR.costAmount]: totals.cost / 1e9,
    [ATTR.costCurrency]: "USD",
    [ATTR.calls]: totals.calls,
    [ATTR.unpricedCalls]: unpriced,
    [ATTR.quality]: quality,
    ...(totals.charges > 0 && { [ATTR.charges]: totals.charges / 1e9 }),
  };
}

function end(agent: AgentSpan): void {
  if (agent.ended) return;
  const totals = totalsOf(agent);
  if (agent.enriched) agent.span?.setAttributes(totals);
  else {
    agent.ended = true;
    agent.span?.end(undefined, totals);
  }
}
