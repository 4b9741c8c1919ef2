import type { Book } from "../../../billing/book.ts";
import { compareCaps, readCaps } from "../../../billing/caps.ts";
import { settle } from "../../../billing/settle.ts";
import type { Vendor } from "../../../billing/vendors/vendor.ts";
import type { Config } from "../../../config/config.ts";
import { windowStart } from "../../../core/ledger.ts";
import type { Nano } from "../../../core/money.ts";
import { textTable } from "../../../terminal/table.ts";
import { dollars } from "./forms.ts";

export interface CapTableOptions {
  readonly book: Book;
  readonly vendors: readonly Vendor[];
  readonly config: Config;
}

/** The vendors' own caps, this month's bill against each, and the budgets that relate to them. */
export async function capTable({ book, vendors, config }: CapTableOptions): Promise<readonly string[]> {
  const now = Date.now();
  const rows: string[][] = [];
  for (const vendor of vendors) {
    const options = { book, vendor, metered: async () => [], aliases: {}, discounts: [], now };
    const settling = await settle(options, windowStart("month", now), now);
    const projects = new Map<string, Nano>();
    const keys = new Map<string, Nano>();
    let all = 0n;
    for await (const { lines } of settling.days())
      for (const { project, key, billed } of lines) {
        all += billed;
        projects.set(project, (projects.get(project) ?? 0n) + billed);
        keys.set(key, (keys.get(key) ?? 0n) + billed);
      }
    const caps = compareCaps({
      caps: readCaps(book, vendor.name),
      budgets: config.caps,
      names: settling.names,
      billed: { projects, keys, all },
    });
    for (const { scope, per, effect, cap, used, remark } of caps)
      rows.push([
        vendor.title,
        scope,
        per === "ever" ? "in all" : `a ${per}`,
        dollars(cap),
        used === undefined ? "" : dollars(used),
        used === undefined || cap === 0n ? "" : `${(used * 100n) / cap} %`,
        effect,
        remark,
      ]);
  }
  if (rows.length === 0) return ["the vendors have no caps of their own, or the key may not read them"];
  const amounts = ["cap", "billed", "used"].map((title) => ({ title, align: "right" }) as const);
  return textTable(["vendor", "scope", "per", ...amounts, "effect", "remark"], rows);
}
