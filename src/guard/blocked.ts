/** Why a call was refused by us and not by the vendor. */
export interface Blocked {
  readonly reason: "budget" | "circuit" | "vendor_cap";
  /** The scope that is over, such as `agent:researcher`. */
  readonly scope: string;
  readonly spentUsd?: number;
  readonly limitUsd?: number;
  /** Milliseconds since the epoch. */
  readonly until?: number;
}

/** Where SDKs and frameworks keep what they wrap. */
const INSIDE = ["cause", "error", "lastError", "data"] as const;
const MAX_DEPTH = 8;

/**
 * Reads our refusal back out of an error, through whatever an SDK or a framework wrapped around it. A refusal carries
 * its facts under `spendfuse` in the error of its body. Undefined for every other error. Never throws.
 */
export function isBlocked(error: unknown, depth = 0): Blocked | undefined {
  if (typeof error !== "object" || error === null || depth > MAX_DEPTH) return undefined;
  try {
    const wrapped = error as Record<string, unknown>;
    const facts = wrapped.spendfuse as Blocked | undefined;
    if (typeof facts?.reason === "string" && typeof facts.scope === "string") return facts;
    for (const key of INSIDE) {
      const found = isBlocked(wrapped[key], depth + 1);
      if (found) return found;
    }
  } catch {
    // A getter of a foreign error may throw; then it is not ours.
  }
  return undefined;
}
