import type { Ask, Passage } from "../limits/gate.ts";
import { type Approval, approvalOf } from "./approval.ts";
import type { Blocked } from "./blocked.ts";
import type { Hold } from "./budgets/budgets.ts";
import { forceHolds } from "./budgets/coverage.ts";
import type { GuardState } from "./guard-state.ts";
import { createRefusal } from "./refusal.ts";
import type { Cause } from "./waiting.ts";

// How a check ends: the call passes, or is refused.

const PASS: Passage = { pass: true, ticket: undefined };
export const NO_HOLDS: readonly Hold[] = [];

/** Lets a call pass with what it has already reserved. */
export function pass({ reservations, cuts, clock }: GuardState, ask: Ask, holds: readonly Hold[]): Passage {
  return holds.length === 0 && !cuts ? PASS : { pass: true, ticket: reservations.open(holds, ask, clock()) };
}

/** Lets a call pass whether or not its budgets cover it; its spend still counts. */
export function force(guard: GuardState, ask: Ask, holds: readonly Hold[]): Passage {
  forceHolds(guard.budgets, holds);
  return pass(guard, ask, holds);
}

/** Refuses a call unless the guard is in shadow mode or an approver allows it. */
export function refuse(
  guard: GuardState,
  ask: Ask,
  blocked: Blocked,
  holds: readonly Hold[],
  cause?: Cause,
): Passage | Promise<Passage> {
  const { mode, approvers, onRefused, onFault } = guard.options;
  if (mode === "shadow") {
    onRefused(ask.node, blocked, "shadow");
    guard.logRefusal(blocked);
    return force(guard, ask, holds);
  }
  if (approvers.size === 0) return decide(guard, ask, blocked, holds, undefined, cause);
  const approval = approvalOf(approvers, blocked, ask.node.scope, onFault);
  if (approval instanceof Promise) return approval.then((found) => decide(guard, ask, blocked, holds, found, cause));
  return decide(guard, ask, blocked, holds, approval, cause);
}

function decide(
  guard: GuardState,
  ask: Ask,
  blocked: Blocked,
  holds: readonly Hold[],
  approval: Approval | undefined,
  cause: Cause | undefined,
): Passage | Promise<Passage> {
  const { trips, options } = guard;
  if (approval === undefined) {
    return cause !== undefined && guard.waiting !== undefined
      ? guard.waiting.wait(ask, cause)
      : refuseNow(guard, ask, blocked);
  }
  trips.log({ scope: blocked.scope, what: "approve", by: approval.by, why: approval.why });
  const state = blocked.reason === "budget" && blocked.why === undefined ? "over budget" : "blocked";
  options.say(`call of ${ask.node.scope.agent} allowed although ${blocked.scope} is ${state}: ${approval.why}`);
  return force(guard, ask, holds);
}

export function refuseNow({ options, logRefusal }: GuardState, ask: Ask, blocked: Blocked): Passage {
  options.onRefused(ask.node, blocked, "enforce");
  logRefusal(blocked);
  return { pass: false, refusal: () => createRefusal(blocked, ask.refusal, options.raise) };
}

/** Whether a call may pass although the state could not be read in time. Logs which. */
export function passesUnknown({ options, notify }: GuardState, reason: "budget" | "circuit"): boolean {
  const passes = options.whenStateUnknown === "open" || options.mode === "shadow";
  const what = passes ? "checked by what this process knows" : "refused";
  notify(
    `unknown ${reason}`,
    `${reason} state unknown: calls are ${what} (whenStateUnknown: "${options.whenStateUnknown}")`,
  );
  return passes;
}
