import type { Ask } from "../../limits/gate.ts";
import type { Blocked } from "../blocked.ts";
import type { GuardState } from "../guard-state.ts";
import type { RepeatRule, Repeats } from "../repeats.ts";

/** Opens the agent's circuit when it makes the same request too often. A call that waits is one request, however often it is checked. */
export function findRepeat(
  { options, trips }: GuardState,
  repeats: Repeats,
  ask: Ask,
  now: number,
): Blocked | undefined {
  if (repeats.counted.has(ask)) return undefined;
  repeats.counted.add(ask);
  const fingerprint = ask.fingerprint();
  if (fingerprint === undefined || !repeats.isOneTooMany(fingerprint, now, (same) => ask.same?.(same)))
    return undefined;
  const scope = `agent:${ask.node.scope.agent}`;
  const { max, tripMs } = options.repeats as RepeatRule;
  const why = `the same request was made more than ${max} times`;
  if (options.mode === "enforce") trips.open(scope, "budget", why, tripMs, now);
  return { reason: "circuit", scope, source: "budget", until: now + tripMs, why };
}
