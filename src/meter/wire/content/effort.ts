/** How much a request wants its model to reason, in the words of the vendors. */
export type Effort = "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";

const EFFORTS: ReadonlySet<unknown> = new Set<Effort>(["none", "minimal", "low", "medium", "high", "xhigh", "max"]);

/** The effort that a request names, in any case; undefined for another word and for none. */
export function effortOf(value: unknown): Effort | undefined {
  if (typeof value !== "string") return undefined;
  const word = value.toLowerCase();
  return EFFORTS.has(word) ? (word as Effort) : undefined;
}
