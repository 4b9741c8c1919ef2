import type { OpenCall } from "../../call/open-call.ts";

/** Whether an answer of this content type is a stream. Some hosts send event streams as another type, but never as JSON. */
export function isEventStream({ target, facts }: OpenCall, type: string): boolean {
  return type.includes(target.framing.type) || (facts.stream && !type.includes("json"));
}
