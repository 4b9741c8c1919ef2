import type { Config } from "../../../config/config.ts";
import { SpendfuseError } from "../../../core/errors.ts";
import type { MeteredRow } from "../../../core/metered.ts";
import { NO_USAGE } from "../../../core/usage.ts";
import { explain, lacksOf } from "../../../pricing/explain.ts";
import type { QuoteSource } from "../../../pricing/price.ts";
import { readDay } from "../../../terminal/day.ts";
import { textTable } from "../../../terminal/table.ts";
import { openMetered } from "../poll/access.ts";
import type { Values } from "../prices.ts";

const DAYS = 30;
const DAY_MS = 86_400_000;

/** The calls of one model at one vendor that lacked a price. */
interface Unpriced {
  readonly provider: string;
  readonly model: string;
  readonly tier: string;
  /** `false`: nothing had a price; `partial`: a part had none; `inexact`: by a similar name or a substitute rate. */
  readonly priced: string;
  calls: number;
  tokens: number;
}

/**
 * Lists the metered models without a price. Resolves to 1 when there are any, else 0.
 * @throws SpendfuseError `SPENDFUSE_CONFIG` when there is no ledger to read.
 */
export async function checkMetered(values: Values, config: Config, sources: readonly QuoteSource[]): Promise<number> {
  const until = Date.now();
  const from = values.from === undefined ? until - DAYS * DAY_MS : readDay("--from", values.from);
  const metered = await openMetered(config);
  try {
    if (metered.source === undefined) {
      const says =
        "what was metered is not known here: set SPENDFUSE_STORE to the agents' store, or DD_API_KEY and DD_APP_KEY";
      throw new SpendfuseError("SPENDFUSE_CONFIG", says);
    }
    const rows = (await metered.source(from, until)).filter(({ provider }) => isAsked(provider, values.provider));
    const found = unpricedOf(rows);
    const lines = values.json === true ? [JSON.stringify(found)] : tableOf(found, rows.length, from, until, sources);
    for (const line of lines) console.log(line);
    return found.some(({ priced }) => priced !== "inexact") ? 1 : 0;
  } finally {
    await metered.close();
  }
}

function isAsked(provider: string, asked: string | undefined): boolean {
  return asked === undefined || provider === asked;
}

function unpricedOf(rows: readonly MeteredRow[]): readonly Unpriced[] {
  const found = new Map<string, Unpriced>();
  for (const { provider, model, tier, priced, calls, inputUncached, cacheRead, cacheWrite, output } of rows) {
    if (priced === "true" || priced === "none" || priced === "plan") continue;
    const key = JSON.stringify([provider, model, tier, priced]);
    const into = found.get(key) ?? { provider, model, tier, priced, calls: 0, tokens: 0 };
    into.calls += calls;
    into.tokens += inputUncached + cacheRead + cacheWrite + output;
    found.set(key, into);
  }
  return [...found.values()].sort((a, b) => ORDER.indexOf(a.priced) - ORDER.indexOf(b.priced) || b.tokens - a.tokens);
}

const ORDER = ["false", "partial", "inexact"];

function tableOf(
  found: readonly Unpriced[],
  metered: number,
  from: number,
  until: number,
  sources: readonly QuoteSource[],
): readonly string[] {
  const span = `${iso(from)} to ${iso(until)}`;
  if (metered === 0) return [`nothing was metered from ${span}`];
  if (found.length === 0) return [`every model that was metered from ${span} has a price`];
  const numbers = ["calls", "tokens"].map((title) => ({ title, align: "right" as const }));
  const rows = found.map((one) => [
    one.provider,
    one.model,
    one.tier,
    one.priced,
    one.calls.toLocaleString("en-US"),
    one.tokens.toLocaleString("en-US"),
    remarkOf(one, until, sources),
  ]);
  return [span, "", ...textTable(["provider", "model", "tier", "priced", ...numbers, "now"], rows)];
}

/** What the price lists say of it today: the ledger keeps what was known when the calls were made. */
function remarkOf({ provider, model, tier, priced }: Unpriced, at: number, sources: readonly QuoteSource[]): string {
  const quote = explain(sources, { provider, model, tier: tier || undefined, at, usage: NO_USAGE });
  if (quote === undefined) return `no price: add a row for it to "prices"`;
  if (!quote.sameModel) return `by the similar name ${quote.origin.model}`;
  if (priced === "partial") return `lacks ${lacksOf(quote, provider).join(", ")}`;
  return "has a price";
}

function iso(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
