import type { LateCall, LateFigures } from "../../core/late/late-call.ts";
import { KEEP_MINUTES_MS, MINUTE_MS, type MinuteTotal } from "../../core/late/minute.ts";
import type { PriceSource } from "../../pricing/price.ts";
import type { KeptLate } from "../../stores/store.ts";
import { ask, faultOf, type Patience } from "../ask.ts";
import { readNames } from "../names.ts";
import type { VendorName } from "../vendors/vendor.ts";
import { attribute } from "./attribute.ts";
import { BESIDE_MS, cutsOf, fits, MINUTE_RULES, type MinuteCut } from "./minute-cuts.ts";
import { bareModel, endOf, type MinuteSpan, spansOf } from "./minute-spans.ts";
import type { LateReports, LateVendor, VendorMinute } from "./vendors/late-vendor.ts";

/** How long after a minute it is taken for complete. */
const COMPLETE_MS = 5 * MINUTE_MS;
/** A key that is busy has longer spans, and they are cut. */
const MAX_SPAN_MS = 20 * MINUTE_MS;
/** The longest range of one request. */
const MAX_RANGE_MS = 24 * 60 * MINUTE_MS;
/** Minutes this near to one another are read together. */
const NEAR_MS = 60 * MINUTE_MS;

export interface MinuteOptions {
  readonly vendor: LateVendor;
  readonly reports: LateReports;
  readonly price: PriceSource;
  /** The metered name of a key, by the vendor's id or name of it. */
  readonly aliases: Readonly<Record<string, string>>;
  /** The vendor's clock, in milliseconds since the epoch. */
  readonly now: () => number;
  readonly patience: Patience;
  /** An answer that cannot be right. */
  readonly onInvalid: (error: unknown) => void;
}

/** Settles a call, unless it has settled. */
export type Settle = (call: LateCall, figures: LateFigures) => Promise<void>;

interface Range {
  readonly from: number;
  /** Exclusive. */
  readonly until: number;
}

/** What is to be settled, and what the vendor must be asked for it. */
interface Plan {
  readonly spans: readonly MinuteSpan[];
  /** By rule. */
  readonly cuts: readonly (readonly MinuteCut[])[];
}

/**
 * Settles calls by what the vendor counted in their minutes.
 * @param all The vendor's late calls, settled or not; `open` are those to settle.
 */
export async function settleByMinute(
  options: MinuteOptions,
  kept: KeptLate,
  all: readonly LateCall[],
  open: readonly LateCall[],
  settle: Settle,
): Promise<void> {
  const { reports, patience, vendor, onInvalid, price } = options;
  const wanted = new Set(open.map(({ id }) => id));
  const metered = kept.minutes.filter(({ provider }) => vendor.providers.includes(provider));
  const plan = planOf(all, kept, metered, wanted, options.now());
  const ranges = rangesOf(plan);
  if (ranges.length === 0) return;
  const names: readonly VendorName[] = await ask(async () => (await reports.names?.()) ?? [], patience);
  const { links } = readNames(names, new Set(open.map(({ group }) => group.key)), options.aliases);
  for (const range of ranges) {
    let rows: readonly VendorMinute[] | undefined;
    try {
      rows = await ask(async () => reports.minutes?.(range.from, range.until), patience);
    } catch (error) {
      if (faultOf(error) !== undefined) throw error;
      onInvalid(error);
      continue;
    }
    if (rows === undefined) return;
    for (const [call, figures] of figuresIn(plan, range, rows, links, price))
      if (wanted.has(call.id)) await settle(call, figures);
  }
}

/** Only minutes that are over and still kept, of keys that are known. */
function planOf(
  all: readonly LateCall[],
  { settlements }: KeptLate,
  metered: readonly MinuteTotal[],
  wanted: ReadonlySet<string>,
  now: number,
): Plan {
  const isReadable = (from: number, until: number): boolean =>
    until + COMPLETE_MS <= now && from > now - KEEP_MINUTES_MS;
  const isWanted = ({ key, calls }: MinuteSpan): boolean => key !== "" && calls.some(({ id }) => wanted.has(id));
  const spans = spansOf(all, settlements, metered).filter(isWanted);
  const isLong = (span: MinuteSpan): boolean => endOf(span) - span.from > MAX_SPAN_MS;
  return {
    spans: spans.filter((span) => !isLong(span) && isReadable(span.from, endOf(span))),
    cuts: MINUTE_RULES.map((rule) =>
      spans
        .filter(isLong)
        .flatMap((span) => cutsOf(span, all, settlements, metered, rule))
        .filter((cut) => isWanted(cut) && isReadable(cut.from - BESIDE_MS, endOf(cut) + BESIDE_MS)),
    ),
  };
}

function figuresIn(
  { spans, cuts }: Plan,
  { from, until }: Range,
  rows: readonly VendorMinute[],
  links: ReadonlyMap<string, string>,
  price: PriceSource,
): readonly (readonly [LateCall, LateFigures])[] {
  const found: (readonly [LateCall, LateFigures])[] = [];
  for (const span of spans) {
    if (span.from < from || endOf(span) > until) continue;
    const answer = attribute(span, rowsWithin(span, rowsOf(span, rows, links)), price);
    if (answer.type === "figures") found.push(...answer.figures);
  }
  const byRule = cuts.map((some) =>
    some
      .filter((cut) => cut.from - BESIDE_MS >= from && endOf(cut) + BESIDE_MS <= until)
      .flatMap((cut) => {
        const own = rowsOf(cut, rows, links);
        return fits(cut, own) ? [[cut, attribute(cut, rowsWithin(cut, own), price)] as const] : [];
      }),
  );
  return [...found, ...agreed(byRule)];
}

type Answered = readonly [MinuteCut, ReturnType<typeof attribute>];

/** Of each call what all rules that fit say of it. */
function agreed(byRule: readonly (readonly Answered[])[]): readonly (readonly [LateCall, LateFigures])[] {
  const said = new Map<LateCall, Set<string>>();
  for (const [cut, answer] of byRule.flat()) {
    const figures = new Map(answer.type === "figures" ? answer.figures : []);
    for (const call of cut.calls) {
      const texts = said.get(call) ?? new Set();
      said.set(call, texts);
      texts.add(JSON.stringify(figures.get(call) ?? null));
    }
  }
  return [...said].flatMap(([call, texts]) => {
    const [only = "null"] = texts;
    const figures = JSON.parse(only) as LateFigures | null;
    return texts.size === 1 && figures !== null ? [[call, figures] as const] : [];
  });
}

function rowsOf(
  { key, model }: MinuteSpan,
  rows: readonly VendorMinute[],
  links: ReadonlyMap<string, string>,
): readonly VendorMinute[] {
  return rows.filter((row) => links.get(row.key) === key && bareModel(row.model) === model);
}

function rowsWithin({ from, until }: MinuteSpan, rows: readonly VendorMinute[]): readonly VendorMinute[] {
  return rows.filter(({ minute }) => minute >= from && minute <= until);
}

/** As few ranges as possible, none longer than the vendor takes. */
function rangesOf({ spans, cuts }: Plan): readonly Range[] {
  const needed: readonly Range[] = [
    ...spans.map((span) => ({ from: span.from, until: endOf(span) })),
    ...cuts.flat().map((cut) => ({ from: cut.from - BESIDE_MS, until: endOf(cut) + BESIDE_MS })),
  ];
  const ranges: { from: number; until: number }[] = [];
  for (const { from, until } of [...needed].sort((a, b) => a.from - b.from)) {
    const last = ranges.at(-1);
    if (last !== undefined && from <= last.until + NEAR_MS && until - last.from <= MAX_RANGE_MS)
      last.until = Math.max(last.until, until);
    else ranges.push({ from, until });
  }
  return ranges;
}
