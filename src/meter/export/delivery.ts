import type { Content, Encoder } from "./encoder.ts";
import type { Endpoint } from "./endpoint.ts";
import { type PostLimits, post } from "./post.ts";
import { reasonOf } from "./refusal-reason.ts";

/** The result of one export. */
export type Outcome =
  /** `rejected` counts the points or spans that the receiver rejected; it would reject them again. */
  | { readonly type: "sent"; readonly rejected: number; readonly reason: string }
  /** A retry may succeed. */
  | { readonly type: "failed"; readonly reason: string; readonly retryAfterMs?: number }
  /** The receiver rejects it as it is. */
  | { readonly type: "refused"; readonly reason: string };

export type Deliver = (content: Content, limits: PostLimits) => Promise<Outcome>;

const RETRIED = new Set([401, 403, 407, 408, 429]);

export function createDelivery(endpoint: Endpoint, encoder: Encoder): Deliver {
  return async (content, limits) => {
    const target = endpoint[content.signal];
    if (target === undefined) return { type: "refused", reason: `no endpoint for ${content.signal}` };
    const place = placeOf(target.url);
    let body: Uint8Array;
    try {
      body = encoder.encode(content, target.encoding);
    } catch (error) {
      return { type: "refused", reason: `an export cannot be encoded: ${error}` };
    }
    const reply = await post(target, body, limits);
    if ("error" in reply) return { type: "failed", reason: `${place} could not be reached (${reply.error})` };
    const { status, retryAfterMs } = reply;
    if (status >= 200 && status < 300) {
      const rejection = encoder.rejection(content.signal, reply.body, reply.protobuf);
      if (rejection === undefined) return { type: "sent", rejected: 0, reason: "" };
      return {
        type: "sent",
        rejected: rejection.count,
        reason: `${place} did not take ${rejection.count} points: ${rejection.message}`,
      };
    }
    const said = reasonOf(reply, target);
    const hint = status === 401 || status === 403 ? target.hint : "";
    const reason = [`${place} answered ${status}`, said, hint].filter((part) => part !== "").join(": ");
    // A key that is wrong is put right, at the latest at the next start.
    if (status >= 500 || RETRIED.has(status)) {
      return { type: "failed", reason, ...(retryAfterMs !== undefined && { retryAfterMs }) };
    }
    return { type: "refused", reason };
  };
}

/** Without path and query, which may hold a token. */
function placeOf(url: string): string {
  return URL.parse(url)?.origin ?? "the endpoint";
}
