import { setTimeout as wait } from "node:timers/promises";
import type { SettledCall } from "../core/call.ts";
import { windowStart } from "../core/ledger.ts";
import { createLiveLines } from "../terminal/live.ts";
import type { Style } from "../terminal/style.ts";
import { runLadder } from "./acts/ladder.ts";
import { AGENTS, runAgents } from "./agents.ts";
import { audit } from "./audit.ts";
import { findClients } from "./clients.ts";
import { runCustomers } from "./customers.ts";
import { startSearchApi } from "./fake-vendor/search.ts";
import { type BilledCall, type FakeVendor, startFakeVendor } from "./fake-vendor.ts";
import { HISTORY_SERVICE, historyStart, playHistory } from "./history/history.ts";
import { runIncident } from "./incident.ts";
import { createDemoFiles, type DemoFiles, startMetering } from "./metering.ts";
import { billTable, estimateTable, verdict } from "./report.ts";
import { runSettlement } from "./settlement.ts";
import { spendTable } from "./spend.ts";
import { beginningOf, type StandIn, startStandIn } from "./stand-in.ts";
import { DEMO_LIMITS, runStops } from "./stops.ts";

const SDKS = ["openai", "@anthropic-ai/sdk", "ai"];
const REDRAW_MS = 120;
const LIMIT_MS = 50_000;

const ESTIMATES = ({ bold }: Style): string =>
  `${bold("WHAT HAD TO BE ESTIMATED")}: calls that ended before the vendor reported, billed all the same`;

export interface DemoOptions {
  /** Whether the vendors' SDKs are left out even if they are installed. */
  readonly plainFetch: boolean;
  /** Whether the sandbox's page stays up until Ctrl-C. */
  readonly keep: boolean;
  readonly style: Style;
}

/** Runs the demo; the exit code is 0 when every figure equals the vendor's, but for the marked estimates. */
export async function runDemo({ plainFetch, keep, style }: DemoOptions): Promise<number> {
  const began = Date.now();
  console.log(`\n${style.bold("spendfuse demo")}   three agents, a local vendor that bills them; no account, no key`);
  if (keep)
    console.log(
      style.dim(`                 a made-up month comes first, for the dashboards: service:${HISTORY_SERVICE}`),
    );
  const files = await createDemoFiles();
  const { vendor, standIn, today } = await openPast(files, keep);
  const search = await startSearchApi();
  const meter = await startMetering(files, vendor, search, standIn);
  const clients = await findClients(vendor, plainFetch ? SDKS : []);
  if (clients.found.length > 0) console.log(style.dim(`                 real packages: ${clients.found.join(", ")}`));
  if (clients.missing.length > 0)
    console.log(style.caution(`                 not installed, plain fetch instead: ${clients.missing.join(", ")}`));
  console.log(style.dim(`                 watch it: ${standIn.url} (a sandbox, not Datadog; 1 s is 1 min there)`));
  console.log(`\n${style.bold("WHAT SPENDFUSE METERS")}, call by call`);

  const doing = new Map<string, string>();
  const live = createLiveLines(process.stdout);
  const interrupt = (): void => process.exit(130);
  process.once("SIGINT", interrupt);
  const redraw = setInterval(() => live.draw(liveLines(meter.settled, doing, began, style)), REDRAW_MS);
  let fault: unknown;
  try {
    const work = runAgents({ clients, scope: meter.scope, tell: (agent, what) => void doing.set(agent, what) });
    await Promise.race([work, expire()]);
    await vendor.idle();
    await meter.flush();
  } catch (error) {
    fault = error;
  }
  clearInterval(redraw);
  const { settled } = meter;
  live.clear();
  process.off("SIGINT", interrupt);
  console.log(spendTable(settled, style).join("\n"));

  const accounts = {
    settled,
    bill: vendor.bill,
    received: standIn.byAgent,
    ledger: (agent: string) => meter.ledger(`agent:${agent}`),
  };
  const found = audit(accounts);
  const lines = [
    `\n${style.bold("WHAT THE VENDOR BILLED")}, and what arrived as metrics`,
    ...billTable(accounts, style),
    ...(found.estimates.length > 0 ? [`\n${ESTIMATES(style)}`, ...estimateTable(found.estimates, style)] : []),
    "",
    ...verdict(found, accounts.bill.length, AGENTS.length, style),
  ];
  console.log(lines.join("\n"));
  const { bill } = vendor;
  const stage = { clients, bill, search, standIn, ...files, ...meter };
  const parts: (() => Promise<DemoPart>)[] = [
    () => runStops(stage, style),
    () => runIncident(stage, style),
    () => runLadder(stage, style),
    () => runCustomers(stage, style),
    () => runSettlement({ vendor, standInUrl: standIn.url, from: today, ...files }, style),
  ];
  const problems = [...found.problems];
  for (const part of fault === undefined ? parts : []) {
    const done = await part();
    await meter.flush();
    problems.push(...done.problems);
    console.log(["", ...done.lines].join("\n"));
  }
  if (fault !== undefined) console.log(style.bad(`✗ the demo broke: ${fault instanceof Error ? fault.stack : fault}`));
  console.log("");
  if (keep) await untilStopped(standIn.url);
  await meter.stop();
  await vendor.close();
  await search.close();
  await standIn.close();
  await files.remove();
  return problems.length === 0 && fault === undefined ? 0 : 1;
}

/**
 * Vendor and stand-in, with a month and more of made-up past for a page that stays open; `today` is the start of the first
 * day without any.
 */
async function openPast(
  files: DemoFiles,
  withHistory: boolean,
): Promise<{ readonly vendor: FakeVendor; readonly standIn: StandIn; readonly today: number }> {
  const now = beginningOf(Date.now()) * 1_000;
  const today = windowStart("day", now);
  const from = historyStart(today);
  const books: BilledCall[] = [];
  const past: { now: number | undefined } = { now: from };
  const vendor = await startFakeVendor({ books, now: () => past.now ?? Date.now() });
  const standIn = await startStandIn(DEMO_LIMITS, from / 1_000);
  const setNow = (moment: number): void => {
    past.now = moment;
  };
  if (withHistory) await playHistory({ vendor, books, standIn, ...files, setNow }, from, today);
  past.now = undefined;
  standIn.begin();
  return { vendor, standIn, today };
}

/** The output of a part of the demo, and its discrepancies. */
interface DemoPart {
  readonly lines: readonly string[];
  readonly problems: readonly string[];
}

async function untilStopped(url: string): Promise<void> {
  console.log(`still there: ${url}  (Ctrl-C ends it)\n`);
  await new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
}

function liveLines(
  settled: readonly SettledCall[],
  doing: ReadonlyMap<string, string>,
  began: number,
  style: Style,
): string[] {
  const now = [...doing].map(([agent, what]) => `${style.accent(agent.padEnd(12))}${what}`);
  const seconds = Math.round((Date.now() - began) / 1000);
  return [...spendTable(settled, style), "", ...now, style.dim(`${seconds} s, ends after about 10 s`)];
}

async function expire(): Promise<never> {
  await wait(LIMIT_MS, undefined, { ref: false });
  throw new Error(`not done after ${LIMIT_MS / 1000} s`);
}
