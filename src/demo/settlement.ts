import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { openBook } from "../billing/book.ts";
import { createReport, type ReportRow, UNGOVERNED } from "../billing/report.ts";
import { type MeteredSource, settle } from "../billing/settle.ts";
import { anthropic } from "../billing/vendors/anthropic.ts";
import { openai } from "../billing/vendors/openai.ts";
import { isSpendfuseError } from "../core/errors.ts";
import { openFile } from "../stores/file/store.ts";
import type { Style } from "../terminal/style.ts";
import { type Column, type Row, textTable } from "../terminal/table.ts";
import { dollars } from "./amounts.ts";
import { ANTHROPIC_FACTOR, discounted, isClaude } from "./fake-vendor/billing-account.ts";
import type { BilledCall, FakeVendor } from "./fake-vendor.ts";
import { openDemoPoller } from "./history/poller.ts";

export interface SettlementStage {
  readonly vendor: FakeVendor;
  readonly standInUrl: string;
  /** Where the agents' store and the poller's book are. */
  readonly store: string;
  readonly book: string;
  /** Start of the day from which it reports, in milliseconds since the epoch. */
  readonly from: number;
}

export interface SettlementPart {
  readonly lines: readonly string[];
  readonly problems: readonly string[];
}

/** The owner of the key that the unmetered calls use. */
const BORROWED = "researcher";
const UNMETERED = 3;

const COLUMNS: readonly Column[] = [
  { title: "agent", width: 13 },
  { title: "billed", width: 13, align: "right" },
  { title: "metered", width: 13, align: "right" },
  { title: "discount", width: 13, align: "right" },
  { title: "estimates", width: 13, align: "right" },
  { title: "drift left", width: 11, align: "right" },
];

/** The vendors' own bills, read as a poller reads them and reconciled with metered spend per agent. */
export async function runSettlement(stage: SettlementStage, style: Style): Promise<SettlementPart> {
  const { vendor } = stage;
  const before = vendor.bill.length;
  for (let call = 0; call < UNMETERED; call++) await callUnmetered(vendor.openai);
  await vendor.idle();
  const unmetered = vendor.bill.slice(before);
  const store = await openFile(stage.store);
  const metered: MeteredSource = async (from, until) => store.metered(from, until);
  const book = await openBook(stage.book, { alone: true });
  const problems: string[] = [];
  try {
    const now = Date.now();
    const poll = openDemoPoller({ vendor, standInUrl: stage.standInUrl, service: "spendfuse-demo", store, book });
    const rounds = await poll({}, Date.now, (message) => problems.push(message));
    const missing = rounds.flatMap(({ errors }) => errors).find(isMissingPackage);
    if (missing !== undefined)
      return { lines: [style.caution(`not shown: ${(missing as Error).message}`)], problems: [] };
    for (const { errors } of rounds) problems.push(...errors.map((error) => (error as Error).message));
    const report = createReport(["agent"]);
    for (const one of [openai, anthropic]) {
      const options = { book, vendor: one, metered, aliases: {}, discounts: [], now };
      const settling = await settle(options, stage.from, now);
      for await (const { day, lines } of settling.days()) report.add(one.name, settling.names, day, lines);
    }
    problems.push(...problemsOf(report.rows, vendor.bill, unmetered));
    return { lines: linesOf(report.rows, problems, unmetered, style), problems };
  } finally {
    book.close();
    await store.close();
  }
}

function isMissingPackage(error: unknown): boolean {
  return isSpendfuseError(error) && error.code === "SPENDFUSE_MISSING_PACKAGE";
}

/** A program of its own, without spendfuse, that has got hold of an agent's key. */
async function callUnmetered(origin: string): Promise<void> {
  const body = {
    model: "gpt-5",
    reasoning_effort: "minimal",
    messages: [{ role: "user", content: "This call is not metered." }],
  };
  const headers = { "content-type": "application/json", authorization: `Bearer demo-${BORROWED}` };
  const init = { method: "POST", headers, body: JSON.stringify(body) };
  const program = `await (await fetch(${JSON.stringify(`${origin}/v1/chat/completions`)}, ${JSON.stringify(init)})).text()`;
  await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], { env: {} });
}

interface Figures {
  readonly billed: bigint;
  readonly metered: bigint;
  readonly discount: bigint;
  readonly estimates: bigint;
  /** What no reason explains. */
  readonly left: bigint;
}

function figuresOf({ billed, metered, ungoverned, reasons }: Omit<ReportRow, "by">): Figures {
  const { discount = 0n, estimated = 0n } = reasons;
  return {
    billed,
    metered,
    discount,
    estimates: estimated,
    left: billed - ungoverned - metered - discount - estimated,
  };
}

function problemsOf(
  rows: readonly ReportRow[],
  bill: readonly BilledCall[],
  unmetered: readonly BilledCall[],
): readonly string[] {
  const due = bill.reduce((sum, { cost, parts, ...call }) => {
    if (!isClaude({ cost, parts, ...call })) return sum + cost;
    return sum + Object.values(parts).reduce((all, part) => all + discounted(part), 0);
  }, 0);
  const billed = rows.reduce((sum, row) => sum + row.billed, 0n);
  const problems: string[] = [];
  // The vendor rounds the discount for a day's tokens of a kind, this sum for each call.
  if (distance(billed, BigInt(due)) > BigInt(bill.length * 6))
    problems.push(`the report has ${billed} nano-dollars of a bill of ${due}`);
  for (const { by, ...row } of rows) {
    if (by.agent !== UNGOVERNED && figuresOf(row).left !== 0n)
      problems.push(`${by.agent}: ${figuresOf(row).left} nano-dollars of drift are not explained`);
  }
  const ungoverned = rows.find(({ by }) => by.agent === UNGOVERNED)?.billed ?? 0n;
  const around = BigInt(unmetered.reduce((sum, { cost }) => sum + cost, 0));
  if (ungoverned !== around || around === 0n)
    problems.push(`${ungoverned} nano-dollars are ungoverned, ${around} were spent unmetered`);
  return problems;
}

function distance(a: bigint, b: bigint): bigint {
  return a > b ? a - b : b - a;
}

function linesOf(
  rows: readonly ReportRow[],
  problems: readonly string[],
  unmetered: readonly BilledCall[],
  style: Style,
): readonly string[] {
  const line = (name: string, { billed, metered, discount, estimates, left }: Figures): Row => {
    const ungoverned = name === UNGOVERNED;
    const cell = (nano: bigint) => ({
      text: nano === 0n ? "·" : dollars(Number(nano), 9),
      paint: nano === 0n ? style.dim : undefined,
    });
    return [
      { text: name, paint: ungoverned ? style.caution : style.accent },
      dollars(Number(billed), 9),
      ungoverned ? { text: "·", paint: style.dim } : dollars(Number(metered), 9),
      cell(discount),
      cell(estimates),
      ungoverned
        ? ""
        : { text: left === 0n ? "0" : dollars(Number(left), 9), paint: left === 0n ? style.good : style.bad },
    ];
  };
  const shown = rows.filter(({ by }) => by.agent !== UNGOVERNED);
  const ungoverned = rows.find(({ by }) => by.agent === UNGOVERNED);
  const governed = shown.map(figuresOf).reduce((sum, one) => ({
    billed: sum.billed + one.billed,
    metered: sum.metered + one.metered,
    discount: sum.discount + one.discount,
    estimates: sum.estimates + one.estimates,
    left: sum.left + one.left,
  }));
  const table = [
    ...shown.map((row) => line(row.by.agent ?? "", figuresOf(row))),
    "rule" as const,
    line("all governed", governed),
    ...(ungoverned === undefined ? [] : [line(UNGOVERNED, figuresOf(ungoverned))]),
  ];
  return [
    `${style.bold("WHAT THE VENDORS' OWN COST REPORTS SAY")}, read by the poller and reconciled per agent`,
    ...textTable(COLUMNS, table, { style, gap: 1 }),
    "",
    ...(problems.length > 0
      ? problems.map((problem) => style.bad(`✗ ${problem}`))
      : [
          style.good("✓ drift of governed spend is 0, once discount and estimated endings are taken off"),
          style.good(
            `✓ ${unmetered.length} calls with the key of ${BORROWED} that bypassed the meter are ungoverned: ${dollars(Number(ungoverned?.billed ?? 0n), 9)}`,
          ),
          style.good(
            `✓ Anthropic's bill has both prices: this account pays ${ANTHROPIC_FACTOR * 100} % of the list, ${dollars(Number(-governed.discount), 6)} less`,
          ),
        ]),
  ];
}
