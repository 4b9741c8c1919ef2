import type { Deliver } from "../delivery.ts";
import type { PostLimits } from "../post.ts";
import type { Spool } from "./spool.ts";

export interface ReplayEvents {
  /** The receiver took the export, but not all of it. */
  rejected(points: number, reason: string): void;
  /** An export is given up. */
  dead(reason: string): void;
}

/**
 * Sends what the spool holds, the oldest first, until it is empty, something fails, or `max` were sent. Whether it
 * worked; undefined when there was nothing to send.
 */
export async function replay(
  spool: Spool,
  deliver: Deliver,
  limits: PostLimits,
  events: ReplayEvents,
  max = Number.POSITIVE_INFINITY,
): Promise<boolean | undefined> {
  let worked: true | undefined;
  for (let sent = 0; sent < max; sent++) {
    const claim = spool.claim();
    if (claim === undefined) break;
    const outcome = await deliver(claim.content, limits);
    if (outcome.type === "failed") {
      claim.release();
      return false;
    }
    if (outcome.type === "refused") {
      if (!claim.refused()) events.dead(outcome.reason);
      return false;
    }
    claim.done();
    worked = true;
    if (outcome.rejected > 0) events.rejected(outcome.rejected, outcome.reason);
  }
  return worked;
}
