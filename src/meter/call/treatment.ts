import type { SettledCall } from "../../core/call.ts";
import type { SameRequest } from "../../limits/gate.ts";
import type { OpenCall } from "./open-call.ts";

/** The headers that tell a caller what budgets did with its call; undefined where they did nothing. */
export function treatmentHeaders({ changeable, treatment }: OpenCall): Readonly<Record<string, string>> | undefined {
  const changes = changeable?.changes;
  if (changes === undefined && treatment === undefined) return undefined;
  const { throttled, finalising } = treatment ?? {};
  return {
    ...(changes?.model !== undefined && { "x-spendfuse-downgraded-from": changes.model }),
    ...(changes?.maxOutput !== undefined && { "x-spendfuse-max-output": String(changes.maxOutput) }),
    ...(throttled !== undefined && { "x-spendfuse-throttled-ms": String(Math.round(throttled.waitedMs)) }),
    ...(finalising && { "x-spendfuse-finalising": "true" }),
  };
}

/** Says of a call with a whole answer that the same request had one before. */
export function markRepeat(settled: { -readonly [K in keyof SettledCall]: SettledCall[K] }, same: SameRequest): void {
  if (settled.ending !== "completed" || settled.usage === undefined) return;
  if (same.answered) settled.repeated = true;
  same.answered = true;
}
