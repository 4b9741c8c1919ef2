import type { ErrorAnswer } from "../../limits/gate.ts";
import type { GuardState } from "../guard-state.ts";
import { readVendorCap } from "../vendor-cap.ts";

/** How long a trip by a vendor's own cap lasts where the vendor names no end. */
const VENDOR_CAP_MS = 10 * 60_000;

/** Opens the key's circuit when a vendor's error shows that the vendor's own cap is reached. */
export function openVendorCap({ options, clock, trips }: GuardState, answer: ErrorAnswer): boolean {
  const { node, provider, status, body } = answer;
  const cap = readVendorCap(status, body);
  if (cap === undefined || options.mode === "shadow") return false;
  const now = clock();
  const ttlMs = cap.until !== undefined && cap.until > now ? cap.until - now : VENDOR_CAP_MS;
  if (node.scope.key !== undefined) {
    trips.open(`key:${node.scope.key}`, "vendor_cap", `${provider} returned ${cap.code}: ${cap.message}`, ttlMs, now);
  }
  return true;
}
