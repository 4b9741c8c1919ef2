import type { CallPart, SettledCall } from "../../core/call.ts";
import { type MeteredRow, meteredRows } from "../../core/metered.ts";
import { boundTags, boundValue, type TagBounds, writeTags } from "../../core/tags/tags.ts";
import type { Work } from "../../core/work/work.ts";
import type { OpenCall } from "../../meter/call/open-call.ts";
import { type Charge, chargeRow } from "../../pricing/charge.ts";
import type { Journal } from "../journal.ts";
import type { LateCalls } from "../late-calls.ts";
import type { OutcomeSink, Outcomes } from "./outcomes.ts";

/** Where settled calls and charges are written. */
export interface MeteredWriter {
  readonly bounds: TagBounds;
  /** Undefined without a store that outlives the process. */
  readonly journal: Journal | undefined;
  readonly late: LateCalls | undefined;
  readonly outcomes: Outcomes;
}

/** Writes a call to the journal and to the work that it was made for. */
export function writeCall(writer: MeteredWriter, call: SettledCall, parts: readonly CallPart[], open: OpenCall): void {
  const { bounds, journal, late, outcomes } = writer;
  const { work } = open.context;
  if (journal === undefined && work === undefined) return;
  if (journal === undefined) {
    // Most processes never ask what came of their work: the rows are made when one does.
    const rows = (): readonly MeteredRow[] => meteredRows(call, parts, writeTags(boundTags(bounds, call.scope)));
    if (work !== undefined) outcomes.record(work, rows);
    return;
  }
  const tags = writeTags(boundTags(bounds, call.scope));
  const rows = journal.record(call, parts, tags);
  if (work === undefined) late?.record(call, parts, open, tags);
  else {
    late?.record(call, parts, open, tags, (one) => outcomes.keepLate(work, one));
    outcomes.record(work, rows);
  }
}

/** As {@link writeCall}, for money that is no model call's. */
export function writeCharge(writer: MeteredWriter, charge: Charge, work: Work | undefined): void {
  const { bounds, journal, outcomes } = writer;
  if (journal === undefined && work === undefined) return;
  // As metrics show it: a store must not keep a row for each text that an app makes up.
  const shown: Charge = { ...charge, what: boundValue(bounds, "what", charge.what) };
  const tags = writeTags(boundTags(bounds, charge.scope));
  const row = journal?.charge(shown, tags) ?? chargeRow(shown, tags);
  if (work !== undefined) outcomes.record(work, [row]);
}

/** Where outcomes change what was written. */
export function sinkOf({ bounds, journal, late }: MeteredWriter): OutcomeSink {
  return {
    bounds,
    add: (row) => journal?.add(row) ?? true,
    retell: (call) => late?.regroup(call),
  };
}
