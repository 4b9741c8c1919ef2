import { setTimeout as wait } from "node:timers/promises";
import type { SettledCall } from "../core/call.ts";
import { AGENTS, runAgents } from "../demo/agents.ts";
import { audit } from "../demo/audit.ts";
import { findClients } from "../demo/clients.ts";
import { startFakeVendor } from "../demo/fake-vendor.ts";
import { createLiveBlock } from "../demo/live.ts";
import { isMetered, startMetering } from "../demo/metering.ts";
import { billTable, estimateTable, verdict } from "../demo/report.ts";
import { runSettlement } from "../demo/settlement.ts";
import { spendTable } from "../demo/spend.ts";
import { startStandIn } from "../demo/stand-in.ts";
import { DEMO_LIMITS, runStops } from "../demo/stops.ts";
import { createStyle, type Style } from "../terminal/style.ts";

const HELP = `spendfuse demo: three agents spend money at a vendor on this machine, spendfuse meters them, and the vendor's
own bill stands beside it. Then two more are stopped: by a budget, and by a monitor of Datadog's stand-in, the sandbox,
whose page shows it all. At last the poller reads the vendor's cost reports, and lays them over the agents. It needs no
account, no key and no network.

  --plain-fetch   use fetch alone, as if no vendor SDK were installed
  --keep          leaves the sandbox and its page open at the end, until Ctrl-C

It ends by itself otherwise. The exit code is 0 when every figure is right; estimates are marked.`;

const SDKS = ["openai", "@anthropic-ai/sdk", "ai"];
const FLAGS: ReadonlySet<string> = new Set(["--plain-fetch", "--keep"]);
const REDRAW_MS = 120;
const LIMIT_MS = 50_000;

const ESTIMATES = ({ bold }: Style): string =>
  `${bold("WHAT HAD TO BE ESTIMATED")}: calls that ended before the vendor reported, billed all the same`;

/** Runs the demo; the exit code is 0 when every figure equals the vendor's, but for the marked estimates. */
export async function demo(args: string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    console.log(HELP);
    return 0;
  }
  const unknown = args.find((arg) => !FLAGS.has(arg));
  if (unknown !== undefined) {
    console.error(`spendfuse demo: unknown option ${unknown}\n\n${HELP}`);
    return 2;
  }
  if (isMetered()) {
    console.error(
      "spendfuse demo: run it without spendfuse/register, which meters this process already (NODE_OPTIONS?)",
    );
    return 2;
  }
  // Undefined without a terminal; knows NO_COLOR.
  const colour = process.stdout.hasColors?.() === true;
  return await run(args.includes("--plain-fetch") ? SDKS : [], args.includes("--keep"), createStyle(colour));
}

async function run(without: readonly string[], keep: boolean, style: Style): Promise<number> {
  const vendor = await startFakeVendor();
  const standIn = await startStandIn(DEMO_LIMITS);
  const meter = await startMetering(vendor, standIn);
  const clients = await findClients(vendor, without);
  console.log(`\n${style.bold("spendfuse demo")}   three agents, a local vendor that bills them; no account, no key`);
  if (clients.found.length > 0) console.log(style.dim(`                 real packages: ${clients.found.join(", ")}`));
  if (clients.missing.length > 0)
    console.log(style.caution(`                 not installed, plain fetch instead: ${clients.missing.join(", ")}`));
  console.log(style.dim(`                 watch it: ${standIn.url} (a sandbox, not Datadog; 1 s is 1 min there)`));
  console.log(`\n${style.bold("WHAT SPENDFUSE METERS")}, call by call`);

  const doing = new Map<string, string>();
  const block = createLiveBlock(process.stdout);
  const began = Date.now();
  const redraw = setInterval(() => block.draw(liveLines(meter.settled, doing, began, style)), REDRAW_MS);
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
  block.finish(spendTable(settled, style));

  const accounts = { settled, bill: vendor.bill, received: standIn.byAgent, ledger: meter.ledger };
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
  const stage = { clients, bill, standIn, ...meter };
  const parts: (() => Promise<DemoPart>)[] = [
    () => runStops(stage, style),
    () => runSettlement({ vendor, standInUrl: standIn.url, ...meter }, style),
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
  await standIn.close();
  return problems.length === 0 && fault === undefined ? 0 : 1;
}

/** What a part of the demo shows, and whatever is not as it must be. */
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
  return [...spendTable(settled, style), "", ...now, style.dim(`${seconds} s, ends by itself after about 10 s`)];
}

async function expire(): Promise<never> {
  await wait(LIMIT_MS, undefined, { ref: false });
  throw new Error(`not done after ${LIMIT_MS / 1000} s`);
}
