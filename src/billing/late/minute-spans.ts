import type { LateCall, LateSettlement } from "../../core/late/late-call.ts";
import {
  addMinute,
  addUsage,
  MINUTE_MS,
  type MinuteSums,
  type MinuteTotal,
  minuteOf,
  NO_MINUTE,
} from "../../core/late/minute.ts";

/**
 * Minutes of one key and model that can only be looked at together: a call that spans several may be counted by the
 * vendor in any of them.
 */
export interface MinuteSpan {
  readonly provider: string;
  /** As metered. */
  readonly key: string;
  /** Without the date of a snapshot. */
  readonly model: string;
  /** Starts of the first and the last minute, in milliseconds since the epoch. */
  readonly from: number;
  readonly until: number;
  /** Those that have not settled. */
  readonly calls: readonly LateCall[];
  /** What is known of all other calls. */
  readonly known: Readonly<MinuteSums>;
}

interface Part {
  readonly from: number;
  readonly until: number;
  readonly call?: LateCall;
  readonly known?: MinuteSums;
}

/** How far the vendor's clock may be off, and how long it may go on with a call whose caller has gone. */
const SKEW_MS = 5_000;
export const LINGER_MS = 30_000;

/** Spans with at least one call that has not settled. */
export function spansOf(
  calls: readonly LateCall[],
  settlements: ReadonlyMap<string, LateSettlement>,
  minutes: readonly MinuteTotal[],
): readonly MinuteSpan[] {
  const groups = new Map<string, Part[]>();
  const add = (provider: string, key: string, model: string, part: Part): void => {
    const id = JSON.stringify([provider, key, bareModel(model)]);
    const parts = groups.get(id);
    if (parts === undefined) groups.set(id, [part]);
    else parts.push(part);
  };
  for (const call of calls) add(call.group.provider, call.group.key, call.group.model, partOf(call, settlements));
  for (const total of minutes)
    add(total.provider, total.key, total.model, { from: total.from, until: total.until, known: total });
  return [...groups].flatMap(([id, parts]) => {
    const [provider, key, model] = JSON.parse(id) as [string, string, string];
    return joined(parts)
      .map((some) => spanOf(provider, key, model, some))
      .filter((span) => span.calls.length > 0);
  });
}

function partOf(call: LateCall, settlements: ReadonlyMap<string, LateSettlement>): Part {
  const from = minuteOf(call.startedAt - SKEW_MS);
  const until = minuteOf(call.endedAt + LINGER_MS);
  const settlement = settlements.get(call.id);
  if (settlement === undefined) return { from, until, call };
  const known = { ...NO_MINUTE };
  addUsage(known, settlement.usage);
  return { from, until, known };
}

/** Parts that share a minute, in order of time. */
function joined(parts: readonly Part[]): readonly (readonly Part[])[] {
  const sorted = [...parts].sort((a, b) => a.from - b.from);
  const spans: Part[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const part of sorted) {
    if (part.from > end) spans.push([]);
    (spans.at(-1) as Part[]).push(part);
    end = Math.max(end, part.until);
  }
  return spans;
}

function spanOf(provider: string, key: string, model: string, parts: readonly Part[]): MinuteSpan {
  const known = { ...NO_MINUTE };
  for (const part of parts) if (part.known !== undefined) addMinute(known, part.known);
  return {
    provider,
    key,
    model,
    from: Math.min(...parts.map(({ from }) => from)),
    until: Math.max(...parts.map(({ until }) => until)),
    calls: parts.flatMap(({ call }) => call ?? []),
    known,
  };
}

/** A model's name without the date of its snapshot: before the response begins only the name in the request is known. */
export function bareModel(model: string): string {
  return model.replace(/-(\d{4}-\d{2}-\d{2}|20\d{6})$/, "");
}

/** The end of a span, exclusive. */
export function endOf({ until }: MinuteSpan): number {
  return until + MINUTE_MS;
}
