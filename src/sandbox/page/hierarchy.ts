import type { RowView } from "../view.ts";

/** A part of a whole, with its own parts. */
export interface Branch {
  readonly name: string;
  readonly value: number;
  readonly children?: readonly Branch[];
}

/** Rows grouped by several tags as a tree, the first tag outermost. */
export function toBranches(rows: readonly RowView[], depth = 0): readonly Branch[] {
  const groups = new Map<string, RowView[]>();
  for (const row of rows) {
    const name = row.group[depth];
    if (name === undefined || (row.values[0] ?? 0) <= 0) continue;
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups].map(([name, inner]) => {
    const value = inner.reduce((sum, { values }) => sum + (values[0] ?? 0), 0);
    const deeper = (inner[0]?.group.length ?? 0) > depth + 1;
    return deeper ? { name, value, children: toBranches(inner, depth + 1) } : { name, value };
  });
}
