import { addMetered, type MeteredRow, type MeteredSums, meteredKey, meteredSums } from "../metered.ts";
import { readTags, WASTE_TAG, writeTags } from "../tags/tags.ts";

/**
 * Why the money of a metered row bought nothing: the call was given up before its answer was whole, or broke off;
 * the same request was answered before; or input, in tokens without a cost of their own, that the vendor's cache could have held and that was billed in full.
 */
export type Waste = "canceled" | "failed" | "repeated" | "uncached";

/** The rows as they were metered, without what is said of waste: one row a group. */
export function withoutWaste(rows: readonly MeteredRow[]): readonly MeteredRow[] {
  if (!rows.some(({ tags }) => tags?.includes(WASTE_TAG))) return rows;
  const merged = new Map<string, MeteredRow>();
  for (const row of rows) {
    const plain = plainRow(row);
    const key = meteredKey(plain);
    const known = merged.get(key);
    if (known === undefined) merged.set(key, plain);
    else addMetered(known as MeteredSums, meteredSums(plain));
  }
  return [...merged.values()];
}

function plainRow({ tags, ...row }: MeteredRow): MeteredRow {
  const { [WASTE_TAG]: _, ...others } = readTags(tags);
  const text = writeTags(others);
  return text === "" ? row : { ...row, tags: text };
}
