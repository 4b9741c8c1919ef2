import { modelKey } from "./model-id.ts";
import type { Dated, Validity } from "./validity.ts";
import { narrow, timesOf } from "./validity.ts";

/**
 * What a vendor charges for a part of a call that is no token: a search, a call of its own tools, a container. Of several
 * rows that fit a call, the first decides. A part that was seen and has no row makes the call `partial`.
 */
export interface FeeRow extends Dated {
  /** OpenTelemetry names. */
  readonly providers: readonly string[];
  /** The beginnings of the keys ({@link modelKey}) of the models it holds for; absent fits every model. */
  readonly families?: readonly string[];
  /** `web_search`, a name of `Usage.units` or `Usage.searchTool`, or {@link REQUEST}, which every call pays. */
  readonly part: string;
  /** USD per thousand. */
  readonly perThousand: number;
  /** Charged once a call, however many of them it has. */
  readonly once?: true;
  /**
   * Why the account may pay less than this, or nothing, which no answer shows: the fee is in the cost, and the call is
   * `partial` with this name, such as `web_search_allowance`.
   */
  readonly unless?: string;
  /** Where the number comes from, and what about it is not confirmed. */
  readonly source: string;
}

/** The part that every call of a model pays, beside its price row's own fee for a request. */
export const REQUEST = "request";

export interface Fee {
  /** Nano-USD. */
  readonly nano: number;
  readonly once: boolean;
  readonly unless: string | undefined;
  readonly row: FeeRow;
}

/** The fees of one model by part. */
export type FeeTable = ReadonlyMap<string, Fee>;

const NO_FEES: FeeTable = new Map();

/** The fees of a call's provider and model at its time; narrows `validity` to the time in which they hold. */
export type FeeBook = (query: FeeQuery, validity: Validity) => FeeTable;

interface FeeQuery {
  readonly provider: string;
  readonly model: string;
  readonly at: number;
  readonly local?: boolean | undefined;
}

export function createFeeBook(rows: readonly FeeRow[]): FeeBook {
  const byProvider = new Map<string, ReturnType<typeof timedOf>[]>();
  for (const row of rows.map(timedOf)) {
    for (const provider of row.row.providers) byProvider.set(provider, [...(byProvider.get(provider) ?? []), row]);
  }

  return (query, validity) => {
    const own = byProvider.get(query.provider);
    // The provider of a local server is only that of its wire format.
    if (own === undefined || query.local) return NO_FEES;
    const key = modelKey(query.model);
    const fees = new Map<string, Fee>();
    for (const { row, nano, from, until } of own) {
      if (row.families !== undefined && !row.families.some((family) => key.startsWith(family))) continue;
      narrow(validity, from, query.at);
      narrow(validity, until, query.at);
      if (!(query.at >= from && query.at < until) || fees.has(row.part)) continue;
      fees.set(row.part, { nano, once: row.once === true, unless: row.unless, row });
    }
    return fees;
  };
}

function timedOf(row: FeeRow) {
  // Rounded at 1e-9 USD, where floats go wrong; citation tokens cost less than one nano-USD in a thousand of them.
  return { row, nano: Math.round(row.perThousand * 1e9) / 1e3, ...timesOf(row) };
}
