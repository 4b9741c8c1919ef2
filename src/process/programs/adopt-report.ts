import type { CallPart, SettledCall } from "../../core/call.ts";
import type { ScopeNode } from "../../core/scope.ts";
import { boundTags, writeTags } from "../../core/tags/tags.ts";
import type { Parts } from "../assembly.ts";

/** Accounts for what a program says that it has used: in budgets, the journal, ledger and metrics. */
export function adoptReport(
  { enforcement, journal, recorder, bounds }: Parts,
  call: SettledCall,
  parts: readonly CallPart[],
  node: ScopeNode,
): void {
  const costNano = call.costUsd === undefined ? undefined : Math.round(call.costUsd * 1e9);
  const tokens = parts.reduce((sum, { usage }) => sum + usage.input + usage.output, 0);
  enforcement?.gate.charge(node, { tokens, costNano });
  journal?.record(call, parts, writeTags(boundTags(bounds, call.scope)));
  recorder.adopt(call, parts, node);
}
