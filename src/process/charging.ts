import type { Remaining } from "../guard/budgets/remaining.ts";
import { currentNode } from "../meter/identity/identify.ts";
import { lookAround } from "../meter/tracing/otel-global.ts";
import { type ChargeInput, readCharge } from "../pricing/charge.ts";
import { openForCalls, type ProcessState } from "./process-state.ts";

/** What is left of the budgets that apply to the scope that we are called in. Never rejects. */
export async function remainingHere(state: ProcessState): Promise<readonly Remaining[]> {
  const { identifier, contexts, faults } = state;
  const node = faults.guard("identity", () => currentNode(identifier)) ?? contexts.capture().node;
  openForCalls(state);
  return (await state.parts?.enforcement?.remaining(node)) ?? [];
}

/** Counts money that was spent in the scope that we are called in. @throws as `readCharge` */
export function chargeHere(state: ProcessState, input: ChargeInput): void {
  const read = readCharge(input);
  const { identifier, contexts, faults } = state;
  const { charge } = openForCalls(state).services;
  const context = contexts.capture();
  const node = faults.guard("identity", () => currentNode(identifier)) ?? context.node;
  charge({ ...read, scope: node.scope, at: Date.now() }, { node, around: lookAround(), agentSpan: context.span });
}
