import { SpendfuseError } from "../core/errors.ts";

const DAY_MS = 86_400_000;

/** A day such as `2026-11-01` as its first moment in UTC. @throws SpendfuseError `SPENDFUSE_USAGE` */
export function readDay(option: string, text: string): number {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  // The parser takes the 31st of a month with 30 days for the 1st of the next.
  if (!Number.isNaN(at) && new Date(at).toISOString().startsWith(text)) return at;
  throw new SpendfuseError("SPENDFUSE_USAGE", `${option} must be a day such as 2026-11-01, not "${text}"`, { option });
}

/** The moment after a day that is meant to be included. */
export function endOfDay(option: string, text: string): number {
  return readDay(option, text) + DAY_MS;
}
