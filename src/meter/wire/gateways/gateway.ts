import type { HeaderLookup } from "../headers.ts";

/**
 * A gateway: something between the caller and the vendors that answers in their formats, at a host that only the user
 * knows. To add one, write a file beside this one and give it a line in `registry.ts`.
 *
 * Each header costs a microsecond to read, so that few are named: signs are looked for in the first answers of hosts
 * that are no vendor's own, and all else is read only at hosts that have shown themselves.
 */
export interface Gateway {
  /** The file's name. A host in `hosts.ts` with this provider is this gateway from its first answer on. */
  readonly name: string;
  /** Headers by which an answer shows that it comes from here, in lower case; the most frequent one first. */
  readonly signs: readonly string[];
  /** The header with the cost of a whole answer in USD. A stream's head is sent before its cost is known. */
  readonly cost?: string;
  /** How an answer out of the gateway's cache shows, which then costs nothing. Absent where it bills such answers. */
  readonly cacheHit?: CacheMark;
  /** Who answered, where the gateway says it. */
  readonly served?: (headers: HeaderLookup) => Served | undefined;
  /** A chat stream may be asked for its usage, whatever model answers. */
  readonly takesQuestion: boolean;
  /** What is behind it may have a price of the operator's own, which no answer shows: a list price is then inexact. */
  readonly ownPrices?: true;
}

/** A header, in lower case; the answer is a hit when its value matches, or when it is there at all. */
export interface CacheMark {
  readonly header: string;
  readonly value?: RegExp;
}

/** The vendor by its OpenTelemetry name, and the model by the vendor's. */
export interface Served {
  readonly provider: string | undefined;
  readonly model: string | undefined;
}
