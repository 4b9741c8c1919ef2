import { existsSync } from "node:fs";
import { type Book, openBook } from "../../../billing/book.ts";
import { readNames } from "../../../billing/names.ts";
import { bearerOf, tokensOf } from "../../../billing/reconcile/reconcile.ts";
import { createReport, GROUPINGS, type Grouping, type Report } from "../../../billing/report.ts";
import { type MeteredSource, settle } from "../../../billing/settle.ts";
import { DAY_MS, type Vendor } from "../../../billing/vendors/vendor.ts";
import { type Config, readCommandConfig } from "../../../config/config.ts";
import { WORK_PROVIDER } from "../../../core/work/work.ts";
import { isSharedStore } from "../../../stores/addresses.ts";
import { openStore } from "../../../stores/open.ts";
import { endOfDay, readDay } from "../../../terminal/day.ts";
import { usage } from "../command.ts";
import { bookPath, openMetered, VENDORS } from "../poll/access.ts";
import type { Values } from "../report.ts";
import { capTable } from "./caps.ts";
import { FOCUS_GROUPINGS, toFocus } from "./focus.ts";
import { type Bill, toCsv, toJson, toTable } from "./forms.ts";
import { type WasteSpan, wasteCsv, wasteJson, wasteLines, wasteTable } from "./waste.ts";

/** Prints the report, or the vendors' caps. Resolves to the exit code. */
export async function run(values: Values): Promise<number> {
  const [from, until] = readSpan(values);
  if ([values.csv, values.json, values.focus].filter(Boolean).length > 1)
    throw usage("--csv, --json and --focus are mutually exclusive: choose one");
  const config = readCommandConfig((message) => console.error(`spendfuse report: ${message}`));
  if (values.focus && values.by !== undefined) throw usage("--focus has rows of its own: leave --by out");
  const by = values.focus
    ? [...FOCUS_GROUPINGS, ...(config.tags ?? [])]
    : readGroupings(values.by ?? "agent", config.tags ?? []);
  if (values.waste) return await reportWaste(values, config, { by, from, until, now: Date.now() });
  const path = bookPath(values.db, config);
  const metered = await openMetered(config);
  const book = existsSync(path) ? await openBook(path, { alone: false }) : undefined;
  try {
    if (book === undefined && (metered.source === undefined || values.caps || values.db !== undefined))
      throw usage(
        `there is no ${path}: run spendfuse poll first, or name the file with --db${
          metered.source === undefined && !values.caps
            ? "; for what was metered alone, set SPENDFUSE_STORE to the store of your processes"
            : ""
        }`,
      );
    const vendors = book === undefined ? [] : vendorsOf(values, book);
    if (values.caps && book !== undefined) {
      for (const line of await capTable({ book, vendors, config })) console.log(line);
      return 0;
    }
    const made = createReport(by);
    for (const vendor of vendors) {
      if (book === undefined) break;
      const settling = await settle(
        {
          book,
          vendor,
          metered: metered.source ?? (async () => []),
          aliases: config.billing?.keys ?? {},
          discounts: config.discounts ?? [],
          now: Date.now(),
        },
        from,
        until,
      );
      for await (const { day, lines } of settling.days()) made.add(vendor.name, settling.names, day, lines);
    }
    if (values.vendor === undefined && metered.source !== undefined)
      await addUnbilled(
        made,
        metered.source,
        vendors.flatMap(({ providers }) => providers),
        from,
        until,
      );
    const about = {
      by,
      from,
      until,
      now: Date.now(),
      metered: metered.source !== undefined,
      bills: billsOf(vendors, book),
    };
    const form = values.focus ? toFocus : values.csv ? toCsv : values.json ? toJson : toTable;
    for (const line of form(made.rows, about)) console.log(line);
    return 0;
  } finally {
    book?.close();
    await metered.close();
  }
}

/** Prints what bought nothing. Resolves to the exit code. */
async function reportWaste(values: Values, config: Config, span: WasteSpan): Promise<number> {
  for (const name of ["caps", "focus", "vendor", "db"] as const)
    if (values[name] !== undefined)
      throw usage(`--waste is of what was metered, whatever the bill: leave --${name} out`);
  if (config.store === undefined || !isSharedStore(config.store))
    throw usage("--waste needs the store of your processes, where each call's ending is: set SPENDFUSE_STORE to it");
  const store = await openStore(config.store);
  try {
    const form = values.csv ? wasteCsv : values.json ? wasteJson : wasteTable;
    for (const line of await wasteLines(store, config, span, form)) console.log(line);
    return 0;
  } finally {
    await store.close();
  }
}

/** The vendor of rows of calls on subscriptions. */
const PLAN_VENDOR = "plan";

/** Metered spend at vendors whose bill is not polled, and on subscriptions. */
async function addUnbilled(
  made: Report,
  metered: MeteredSource,
  billed: readonly string[],
  from: number,
  until: number,
): Promise<void> {
  const plain = readNames([], new Set(), {});
  for (let day = from; day < until; day += DAY_MS) {
    for (const row of await metered(day, day + DAY_MS)) {
      if (row.provider === WORK_PROVIDER) {
        made.addWorks(row);
        continue;
      }
      const plan = row.priced === "plan";
      if (billed.includes(row.provider) && !plan) continue;
      const cost = BigInt(row.cost);
      const whose = { project: "", key: row.key, model: row.model, bearer: bearerOf(row) };
      const line = { ...whose, billed: 0n, metered: cost, tokens: tokensOf(row), why: {} };
      const reasons = plan ? { plan: -cost } : { not_billed: -cost };
      made.add(plan ? PLAN_VENDOR : row.provider, plain, day, [{ ...line, reasons }]);
    }
  }
}

/** The vendors whose bill was read, and when. */
function billsOf(vendors: readonly Vendor[], book: Book | undefined): readonly Bill[] {
  return vendors.map(({ name, title }) => ({ name, title, readAt: book?.fact<number>(name, "polled at") }));
}

function vendorsOf({ vendor: only }: Values, book: Book) {
  const known = book.vendors();
  for (const name of only ?? [])
    if (!known.includes(name)) throw usage(`nothing was read of "${name}"; there is: ${known.join(", ") || "nothing"}`);
  return VENDORS.filter(({ name }) => known.includes(name) && (only === undefined || only.includes(name)));
}

function readGroupings(text: string, tags: readonly string[]): readonly Grouping[] {
  const known: readonly string[] = [...GROUPINGS, ...tags];
  return text.split(",").map((part) => {
    const name = part.trim().replaceAll("-", "_");
    if (known.includes(name)) return name;
    throw usage(`--by takes ${known.join(", ")}, not "${name}"`);
  });
}

function readSpan({ month, from, to }: Values): readonly [number, number] {
  if (month !== undefined && (from !== undefined || to !== undefined))
    throw usage("--month excludes --from and --to: choose one");
  if (from !== undefined) {
    const until = to === undefined ? Date.now() : endOfDay("--to", to);
    const begin = readDay("--from", from);
    if (until <= begin) throw usage("--to must not be before --from");
    return [begin, until];
  }
  if (to !== undefined) throw usage("--to needs --from");
  const text = month ?? new Date().toISOString().slice(0, 7);
  if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(text)) throw usage(`--month must be a month such as 2026-11, not "${text}"`);
  const begin = readDay("--month", `${text}-01`);
  const date = new Date(begin);
  return [begin, Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)];
}
