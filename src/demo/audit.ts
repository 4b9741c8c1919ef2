import type { SettledCall } from "../core/call.ts";
import type { Sums } from "../core/ledger.ts";
import type { Usage } from "../core/usage.ts";
import { AGENTS } from "./agents.ts";
import type { BilledCall } from "./fake-vendor.ts";
import { costOf, isRefused } from "./spend.ts";
import type { Received } from "./stand-in.ts";

/** A metered call beside its line of the bill. */
export interface Pair {
  readonly metered: SettledCall;
  readonly billed: BilledCall;
}

export interface Audit {
  /** Calls whose figures must equal the bill's, and do. */
  readonly exact: number;
  readonly reported: number;
  /** Calls that ended before the vendor reported: the only ones that may differ. */
  readonly estimates: readonly Pair[];
  readonly refused: number;
  /** Calls that are there with the right agent, model and ending. */
  readonly right: number;
  /** Agents whose metrics and ledger equal their calls. */
  readonly sumsRight: number;
  /** Discrepancies, in words. */
  readonly problems: readonly string[];
}

export interface Accounts {
  readonly settled: readonly SettledCall[];
  readonly bill: readonly BilledCall[];
  /** What arrived as metrics, by agent. */
  readonly received: ReadonlyMap<string, Received>;
  /** The ledger's account of an agent, its sub-agents rolled up into it. */
  readonly ledger: (agent: string) => Readonly<Sums> | undefined;
}

/** Compares the metered calls with the vendor's bill, and the ledger and the received metrics with both. */
export function audit({ settled, bill, received, ledger }: Accounts): Audit {
  const problems: string[] = [];
  const pairs = pairUp(settled, bill, problems);
  const estimates: Pair[] = [];
  let exact = 0;
  let reported = 0;
  let refused = 0;
  let right = 0;
  for (const pair of pairs) {
    const wrong = identityProblems(pair);
    if (wrong.length === 0) right += 1;
    const { metered, billed } = pair;
    if (isRefused(metered)) refused += 1;
    else if (metered.quality === "reported") {
      reported += 1;
      const differences = figureProblems(pair);
      if (differences.length === 0) exact += 1;
      wrong.push(...differences);
    } else if (metered.quality === "estimated" && metered.usage && costOf(metered) > 0) {
      estimates.push(pair);
      if (billed.ending === "completed") wrong.push("is estimated although the vendor reported");
      if (billed.path === "/v1/messages") wrong.push(...inputProblems(pair));
    } else wrong.push(`has ${metered.quality} usage and no cost`);
    for (const problem of wrong) problems.push(`${billed.agent} ${billed.model} ${billed.id ?? ""}: ${problem}`);
  }
  const agents = new Set([...AGENTS.map(({ name }) => name), ...received.keys()]);
  let sumsRight = 0;
  for (const agent of agents) {
    const own = settled.filter((call) => call.scope.agent === agent);
    const rolledUp = settled.filter((call) => call.scope.agent === agent || call.scope.rootAgent === agent);
    const sums = ledger(agent);
    const ledgered = sums && { cost: sums.cost, calls: sums.calls, tokens: sums.input + sums.output };
    const wrong = [
      ...sumProblems("metrics", own, received.get(agent)),
      ...sumProblems("the ledger", rolledUp, ledgered),
    ];
    if (wrong.length === 0) sumsRight += 1;
    for (const problem of wrong) problems.push(`${agent}: ${problem}`);
  }
  return { exact, reported, estimates, refused, right, sumsRight, problems };
}

/** Pairs by response id; refused calls have none and are paired by agent and status. */
function pairUp(settled: readonly SettledCall[], bill: readonly BilledCall[], problems: string[]): Pair[] {
  const open = [...bill];
  const pairs: Pair[] = [];
  for (const metered of settled) {
    const at = open.findIndex((billed) =>
      billed.id === undefined
        ? billed.status === metered.status && billed.agent === metered.scope.agent
        : billed.id === metered.responseId,
    );
    const [billed] = at < 0 ? [] : open.splice(at, 1);
    if (billed) pairs.push({ metered, billed });
    else problems.push(`${metered.scope.agent} ${metered.model}: a metered call that the vendor did not bill`);
  }
  for (const one of open) problems.push(`${one.agent} ${one.model}: a billed call that was not metered`);
  return pairs;
}

function identityProblems({ metered, billed }: Pair): string[] {
  return differences([
    ["agent", metered.scope.agent, billed.agent],
    ["model", metered.model, billed.model],
    ["ending", metered.ending, billed.ending],
    // A refusal of a stream is not itself a stream.
    ["stream", String(metered.stream), String(billed.stream && !isRefused(metered))],
  ]);
}

function figureProblems(pair: Pair): string[] {
  const { metered, billed } = pair;
  const usage = metered.usage as Usage | undefined;
  return [
    ...inputProblems(pair),
    ...differences([
      ["output", usage?.output, billed.tokens.output],
      ["reasoning", usage?.reasoning, billed.tokens.reasoning],
      ["web searches", usage?.webSearches, billed.tokens.webSearches],
      ["nano-USD", costOf(metered), billed.cost],
    ]),
  ];
}

function inputProblems({ metered: { usage }, billed: { tokens } }: Pair): string[] {
  const written = tokens.cacheWrite5m + tokens.cacheWrite1h;
  return differences([
    ["input", usage?.input, tokens.uncached + tokens.cacheRead + written],
    ["cache read", usage?.cacheRead, tokens.cacheRead],
    ["cache write", usage?.cacheWrite, written],
    ["cache write of an hour", usage?.cacheWrite1h, tokens.cacheWrite1h],
  ]);
}

function sumProblems(where: string, calls: readonly SettledCall[], sums: Received | undefined): string[] {
  const sum = (of: (call: SettledCall) => number): number => calls.reduce((total, call) => total + of(call), 0);
  return differences([
    [`calls in ${where}`, sums?.calls, calls.length],
    [`tokens in ${where}`, sums?.tokens, sum(({ usage }) => (usage?.input ?? 0) + (usage?.output ?? 0))],
    [`nano-USD in ${where}`, sums?.cost, sum(costOf)],
  ]);
}

type Value = string | number | undefined;

function differences(rows: readonly (readonly [what: string, is: Value, truth: Value])[]): string[] {
  return rows.filter(([, is, truth]) => is !== truth).map(([what, is, truth]) => `${what} is ${is}, truth ${truth}`);
}
