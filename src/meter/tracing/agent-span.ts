import { setImmediate } from "node:timers";
import type { Quality, SettledCall } from "../../core/call.ts";
import { ATTR } from "../../core/names.ts";
import type { Usage } from "../../core/usage.ts";
import type { Surroundings } from "./otel-global.ts";
import type { Tracing } from "./tracing.ts";
import { isSame, type TracingSpan } from "./tracing-span.ts";

/**
 * The span of one agent's run, `invoke_agent NAME`, with the sums of every call inside it, sub-agents and streams that
 * finish later included. It ends when the run is over and its last call has settled.
 */
export interface AgentSpan {
  readonly parent: AgentSpan | undefined;
  readonly span: TracingSpan | undefined;
  opened(): void;
  settled(call: SettledCall, costNano: number | undefined): void;
  /** An opened call turned out to be no model call. */
  dropped(): void;
  /** The run is over; `error` is what it threw. */
  finish(error?: unknown): void;
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
  const totals: Totals = { calls: 0, input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0, cost: 0 };
  let quality: Quality = "reported";
  let unpriced = 0;
  let open = 0;
  let over = false;
  let ended = false;

  function write(): void {
    span?.setAttributes({
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
    });
  }

  function end(): void {
    if (ended) return;
    write();
    if (enriched) return;
    ended = true;
    span?.end();
  }

  return {
    parent,
    span,
    opened() {
      open += 1;
      parent?.opened();
    },
    settled(call, costNano) {
      open -= 1;
      if (call.ending !== "blocked") totals.calls += 1;
      const { usage } = call;
      if (usage !== undefined) addUsage(totals, usage);
      if (call.otherModels !== undefined) for (const other of call.otherModels) addUsage(totals, other.usage);
      totals.cost += costNano ?? 0;
      if (call.priced === "false" || call.priced === "partial") unpriced += 1;
      const refused = call.ending === "blocked" || (call.ending === "failed" && usage === undefined);
      if (!refused && WORST.indexOf(call.quality) > WORST.indexOf(quality)) quality = call.quality;
      if (over && open === 0) end();
      else if (enriched) write();
      parent?.settled(call, costNano);
    },
    dropped() {
      open -= 1;
      if (over && open === 0) end();
      parent?.dropped();
    },
    finish(error) {
      over = true;
      if (error !== undefined && !enriched) span?.fail(error);
      if (open > 0) return;
      // What returned at once, such as an SDK's stream, makes its first call only a few microtasks later.
      if (totals.calls > 0 || error !== undefined) end();
      else setImmediate(() => open === 0 && end());
    },
  };
}
