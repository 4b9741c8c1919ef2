import type { Faults } from "../../core/faults.ts";
import type { Ledger } from "../../core/ledger.ts";
import type { ScopeNode } from "../../core/scope.ts";
import type { Work } from "../../core/work/work.ts";
import type { Spent, Ticket } from "../../limits/gate.ts";
import type { Charge } from "../../pricing/charge.ts";
import { type AgentSpan, addCharge } from "../tracing/agent-span.ts";
import { writeChargeSpan } from "../tracing/charge-span.ts";
import type { Surroundings } from "../tracing/otel-global.ts";
import type { Tracing } from "../tracing/tracing.ts";

/** Where a charge was made. */
export interface ChargePlace {
  readonly node: ScopeNode;
  /** The user's OpenTelemetry there. */
  readonly around: Surroundings;
  /** The innermost agent's span there. */
  readonly agentSpan: AgentSpan | undefined;
  /** The work of the scope there. */
  readonly work?: Work | undefined;
  /** What it holds of its budgets, where it was asked about before. */
  readonly ticket?: Ticket | undefined;
}

export type RecordCharge = (charge: Charge, place: ChargePlace) => void;

/** The consumers of a charge, in order. Each is guarded separately, so that a fault of one loses nothing of the others. */
export interface ChargeOptions {
  readonly faults: Faults;
  /** Counts it in budgets, where nothing was held for it. */
  readonly spent: (node: ScopeNode, spent: Spent) => void;
  readonly ledger: Ledger;
  /** The persistent ledger, if there is one, and the work that it was for. */
  readonly journal: (charge: Charge, work: Work | undefined) => void;
  readonly instruments: (charge: Charge) => void;
  readonly tracing: Tracing;
}

export function createChargeRecorder({
  faults,
  spent,
  ledger,
  journal,
  instruments,
  tracing,
}: ChargeOptions): RecordCharge {
  return (charge, { node, around, agentSpan, work, ticket }) => {
    const { costNano, at } = charge;
    const used: Spent = { tokens: 0, calls: 0, costNano };
    faults.guard("guard", () => (ticket === undefined ? spent(node, used) : ticket.settle(used)));
    faults.guard("ledger", () => ledger.charge(node, costNano, at));
    faults.guard("ledger", () => journal(charge, work));
    faults.guard("instruments", () => instruments(charge));
    faults.guard("span", () => {
      if (agentSpan !== undefined) addCharge(agentSpan, costNano);
      writeChargeSpan(tracing, charge, around, agentSpan?.span);
    });
  };
}
