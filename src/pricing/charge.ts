import { SpendfuseError } from "../core/errors.ts";
import { MAX_CALL_COUNT, MAX_CALL_USD } from "../core/figures.ts";
import { windowStart } from "../core/ledger.ts";
import { type MeteredRow, NOTHING_METERED } from "../core/metered.ts";
import { type Scope, TAG_LENGTH, tagText } from "../core/scope.ts";

/** What `charge()` takes. */
export interface ChargeInput {
  /** What it cost in all, in USD: 0 to 100,000. */
  readonly usd: number;
  /** What was paid for, such as `web search`: few distinct texts, written as Datadog writes tags. */
  readonly what: string;
  /** How many of it, such as pages or minutes. Shown on the span only. */
  readonly units?: number;
}

/** Money that was spent on something other than a model call. */
export interface Charge {
  readonly scope: Scope;
  readonly what: string;
  /** Nano-USD. */
  readonly costNano: number;
  readonly units: number | undefined;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The provider of metered rows of charges, whose model is what was paid for. */
export const CHARGE_PROVIDER = "charge";

/** What was paid for, as tags and rows have it; empty where nothing is left of it. */
export function chargeName(what: string): string {
  return tagText(what, TAG_LENGTH - "what:".length);
}

/**
 * Checks what a caller gives.
 * @throws SpendfuseError `SPENDFUSE_CHARGE`; its `facts` hold `key` and `value`. Nothing is counted then.
 */
export function readCharge(input: unknown): Pick<Charge, "what" | "costNano" | "units"> {
  if (typeof input !== "object" || input === null)
    throw invalid("", input, 'needs an object such as { usd: 0.008, what: "web search" }');
  const { usd, what, units } = input as Partial<Record<keyof ChargeInput, unknown>>;
  if (!isWithin(usd, MAX_CALL_USD)) throw invalid("usd", usd, `"usd" must be a number from 0 to ${MAX_CALL_USD}`);
  const name = typeof what === "string" ? chargeName(what) : "";
  if (name === "") throw invalid("what", what, '"what" must be a text with a letter or a digit');
  if (units !== undefined && !isWithin(units, MAX_CALL_COUNT))
    throw invalid("units", units, `"units" must be a number from 0 to ${MAX_CALL_COUNT}`);
  return { what: name, costNano: Math.round(usd * 1e9), units };
}

function isWithin(value: unknown, max: number): value is number {
  return typeof value === "number" && value >= 0 && value <= max;
}

const MAX_SHOWN = 60;

function invalid(key: string, value: unknown, must: string): SpendfuseError {
  const text = typeof value === "string" ? JSON.stringify(value.slice(0, MAX_SHOWN)) : typeof value;
  const shown = typeof value === "number" ? String(value) : text;
  return new SpendfuseError("SPENDFUSE_CHARGE", `charge(): ${must}, not ${shown}`, { key, value });
}

/**
 * The row that a charge adds to what is metered.
 * @param tags The tags to show, as `writeTags` writes them.
 */
export function chargeRow({ scope, what, costNano, at }: Charge, tags: string): MeteredRow {
  return {
    ...NOTHING_METERED,
    day: windowStart("day", at),
    provider: CHARGE_PROVIDER,
    model: what,
    tier: "",
    key: scope.key ?? "",
    agent: scope.agent,
    rootAgent: scope.rootAgent,
    team: scope.team ?? "",
    project: scope.project ?? "",
    quality: "reported",
    priced: "true",
    ...(tags !== "" && { tags }),
    cost: costNano,
  };
}
