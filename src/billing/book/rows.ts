import { createHash } from "node:crypto";
import { readRecord, recordKey } from "../../core/record-key.ts";
import type { BillRow } from "../reconcile/bill.ts";
import type { BillWindow } from "../vendors/vendor.ts";

/** A row of a table. */
export interface Row {
  readonly [column: string]: unknown;
}

/** A cursor belongs to one window and one query. */
export function hashOf(window: BillWindow, query: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify([window, query]))
    .digest("hex");
}

export function among(days: readonly number[]): (day: number) => boolean {
  const known = new Set(days);
  return (day) => known.has(day);
}

export function readBuckets(json: unknown): readonly number[] {
  return typeof json === "string" ? (JSON.parse(json) as number[]) : [];
}

export function valuesOf({ nano, listNano, counts }: BillRow): [bigint | null, bigint | null, string | null] {
  return [nano ?? null, listNano ?? null, counts === undefined ? null : recordKey(counts)];
}

export function readRow({ report, start, dims, nano, list_nano, counts }: Row): BillRow {
  return {
    report: String(report),
    start: Number(start),
    dims: readRecord(String(dims)),
    ...(nano != null && { nano: BigInt(String(nano)) }),
    ...(list_nano != null && { listNano: BigInt(String(list_nano)) }),
    ...(counts != null && { counts: readRecord<number>(String(counts)) }),
  };
}

export function added(a: BillRow, b: BillRow): BillRow {
  const counts: Record<string, number> = { ...a.counts };
  for (const [name, value] of Object.entries(b.counts ?? {})) counts[name] = (counts[name] ?? 0) + value;
  const sum = (one: bigint | undefined, other: bigint | undefined): bigint | undefined =>
    one === undefined && other === undefined ? undefined : (one ?? 0n) + (other ?? 0n);
  return {
    ...b,
    nano: sum(a.nano, b.nano),
    listNano: sum(a.listNano, b.listNano),
    ...((a.counts || b.counts) && { counts }),
  };
}
