import { type CallPart, costNanoOf, type SettledCall } from "../../core/call.ts";
import type { ScopeNode } from "../../core/scope.ts";
import { boundTags, writeTags } from "../../core/tags/tags.ts";
import type { ProgramReport, ProgramStart } from "../../meter/call/started-program.ts";
import type { Parts } from "../assembly.ts";
import { turnOf } from "./program-turns.ts";

/** Accounts for what a program says that it has used: in budgets, the journal, ledger and metrics. */
export function adoptReport(
  { enforcement, journal, recorder, bounds }: Parts,
  call: SettledCall,
  parts: readonly CallPart[],
  node: ScopeNode,
): void {
  const costNano = costNanoOf(call);
  const tokens = parts.reduce((sum, { usage }) => sum + usage.input + usage.output, 0);
  enforcement?.gate.charge(node, { tokens, costNano });
  journal?.record(call, parts, writeTags(boundTags(bounds, call.scope)));
  recorder.adopt(call, parts, node);
}

/** What a program says that it has used since it was started, in milliseconds since the epoch. */
export interface ToldUse {
  readonly report: ProgramReport;
  readonly start: ProgramStart;
  readonly startedAt: number;
}

/** The same of a program that has ended, whose calls were metered nowhere. */
export function adoptToldUse(parts: Parts, node: ScopeNode, { report, start, startedAt }: ToldUse): void {
  const { prices } = parts;
  prices.run(() => {
    const options = { report, last: undefined, start, node, startedAt, price: prices.price, now: Date.now() };
    const turn = turnOf(options);
    if (turn !== undefined) adoptReport(parts, turn.call, turn.parts, node);
  });
}
