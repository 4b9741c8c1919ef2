import { readHeader } from "../wire/headers.ts";
import { addMembers } from "./baggage.ts";

/**
 * What carries text by name from one process to another: the headers of a request or of a queue's message, the `_meta` of
 * MCP, a plain object, a `Headers`, a `Map`.
 */
export type Carrier = object;

const NAME = "baggage";

/** The baggage that a carrier has; a value may be text, bytes, or a list of either. */
export function readCarrier(carrier: unknown): string | undefined {
  return readHeader(carrier, NAME);
}

/** Lays members into a carrier's baggage. It stays as it is when there is no room. */
export function writeCarrier(carrier: Carrier, members: string): void {
  const baggage = addMembers(readCarrier(carrier), members);
  if (baggage === undefined) return;
  const { set } = carrier as { set?: unknown };
  if (typeof set === "function") set.call(carrier, NAME, baggage);
  else if (Array.isArray(carrier)) writePair(carrier, baggage);
  else {
    const own = Object.keys(carrier).find((name) => name.toLowerCase() === NAME) ?? NAME;
    (carrier as Record<string, unknown>)[own] = baggage;
  }
}

function writePair(pairs: unknown[], baggage: string): void {
  const own = pairs.findIndex((pair) => Array.isArray(pair) && String(pair[0]).toLowerCase() === NAME);
  if (own < 0) pairs.push([NAME, baggage]);
  else pairs[own] = [NAME, baggage];
}
