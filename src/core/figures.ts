/** The most that one call may cost. A higher figure is a mistake: it is a fault, and counts as unknown. */
export const MAX_CALL_USD = 100_000;
export const MAX_CALL_NANO = MAX_CALL_USD * 1e9;
/** The most tokens, or searches, of one call; the same holds. */
export const MAX_CALL_COUNT = 2 ** 31 - 1;

const MAX_SHOWN = 100;

/** What a vendor reported and cannot be. */
export interface RefusedFigure {
  readonly what: "usage" | "cost";
  readonly text: string;
}

/** The first one since it was last taken, of usage before cost. Parsing is synchronous, so that it is the call's own. */
export let refusedFigure: RefusedFigure | undefined;

export function takeRefusedFigure(): RefusedFigure | undefined {
  const taken = refusedFigure;
  refusedFigure = undefined;
  return taken;
}

/** The fault that names a figure which cannot be. */
export function implausible(figure: unknown): Error {
  const limits = `at most $${MAX_CALL_USD} and ${MAX_CALL_COUNT} tokens a call`;
  return new RangeError(`a reported figure cannot be right, and counts as unknown: ${shownFigure(figure)} (${limits})`);
}

function shownFigure(figure: unknown): string {
  const text = typeof figure === "string" ? figure : textOf(figure);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function textOf(figure: unknown): string {
  try {
    return JSON.stringify(figure) ?? String(figure);
  } catch {
    return "too deeply nested";
  }
}

/** A count as a vendor reports it, in whole numbers: absent is 0, and so is one that cannot be, which is refused. */
export function reportedCount(value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= MAX_CALL_COUNT) return Math.round(value);
  if (typeof value === "number") refuse("usage", value);
  return 0;
}

/** How headers say that there is no cost. */
const NO_COST = new Set(["", "none", "null", "undefined", "nan", "-1"]);

/**
 * A cost in USD as a vendor reports it, as a number or a decimal text: undefined where it is absent, or 0, which proves
 * nothing; also where it cannot be, and is refused.
 * @param perUsd How many of the vendor's units make one USD.
 */
export function reportedCost(value: unknown, perUsd = 1): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" && NO_COST.has(value.trim().toLowerCase())) return undefined;
  const units = typeof value === "string" ? Number(value) : value;
  if (typeof units === "number" && units >= 0 && units <= MAX_CALL_USD * perUsd) {
    return units === 0 ? undefined : units / perUsd;
  }
  refuse("cost", value);
  return undefined;
}

/** Notes a figure that is too large. A host that does not know a figure may send text or a negative number: no fault. */
function refuse(what: RefusedFigure["what"], value: unknown): void {
  const amount = typeof value === "string" ? Number(value) : value;
  if (typeof amount !== "number" || !Number.isFinite(amount) || amount < 0) return;
  if (refusedFigure === undefined || (refusedFigure.what === "cost" && what === "usage"))
    refusedFigure = { what, text: shownFigure(value) };
}
