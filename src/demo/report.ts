import type { Style } from "../terminal/style.ts";
import { type Cell, type Column, type Group, type Row, textTable } from "../terminal/table.ts";
import { AGENTS, nameInTree } from "./agents.ts";
import { dollars, percentOff } from "./amounts.ts";
import type { Accounts, Audit, Pair } from "./audit.ts";
import { costOf } from "./spend.ts";

const BILL: readonly Column[] = [
  { title: "agent", width: 12 },
  { title: "vendor's bill", width: 15, align: "right" },
  { title: "metered", width: 15, align: "right" },
  { title: "difference", width: 25, align: "right" },
  { title: "arrived by OTLP", width: 17, align: "right" },
  { title: "", width: 3, align: "right" },
];

const ESTIMATES: readonly Column[] = [
  { title: "model", width: 27 },
  { title: "ended", width: 9 },
  { title: "out billed", width: 11, align: "right" },
  { title: "estimated", width: 10, align: "right" },
  { title: "bill", width: 13, align: "right" },
  { title: "estimated", width: 13, align: "right" },
  { title: "off by", width: 9, align: "right" },
];

const ESTIMATE_GROUPS: readonly Group[] = [
  { title: "", span: 2 },
  { title: "tokens", span: 2 },
  { title: "cost", span: 3 },
];

const MAX_PROBLEMS = 20;

/** The vendor's bill beside what was metered and what arrived as metrics, agent by agent. */
export function billTable({ settled, bill, received }: Accounts, style: Style): string[] {
  const row = (name: string, agents: readonly string[]): Row => {
    const own = settled.filter((call) => agents.includes(call.scope.agent));
    const metered = sum(own.map(costOf));
    const billed = sum(bill.filter((call) => agents.includes(call.agent)).map((call) => call.cost));
    const arrived = sum(agents.map((agent) => received.get(agent)?.cost ?? 0));
    const estimated = own.some((call) => call.quality === "estimated");
    const off = difference(metered, billed);
    return [
      { text: name, paint: style.accent },
      dollars(billed, 9),
      dollars(metered, 9),
      { text: off, paint: metered === billed ? style.good : estimated ? style.caution : style.bad },
      dollars(arrived, 9),
      mark(arrived === metered && (estimated || metered === billed), style),
    ];
  };
  const rows = AGENTS.map(({ name }) => row(nameInTree(name), [name]));
  const all = AGENTS.map(({ name }) => name);
  return textTable(BILL, [...rows, "rule", row("all", all)], { style, gap: 1 });
}

/** Every call whose usage had to be estimated, with its error. */
export function estimateTable(estimates: readonly Pair[], style: Style): string[] {
  const rows = estimates.map(({ metered, billed }) => [
    { text: billed.model, paint: style.accent },
    { text: metered.ending, paint: metered.ending === "failed" ? style.bad : style.caution },
    String(billed.tokens.output),
    String(metered.usage?.output ?? 0),
    dollars(billed.cost, 6),
    dollars(costOf(metered), 6),
    { text: percentOff(costOf(metered), billed.cost), paint: style.caution },
  ]);
  return textTable(ESTIMATES, rows, { style, gap: 1, groups: ESTIMATE_GROUPS });
}

/** The findings in a few lines; every one but the estimates must hold. */
export function verdict(found: Audit, calls: number, agents: number, style: Style): string[] {
  const { estimates } = found;
  const bill = sum(estimates.map(({ billed }) => billed.cost));
  const together = percentOff(sum(estimates.map(({ metered }) => costOf(metered))), bill);
  const worst = Math.max(0, ...estimates.map(({ metered, billed }) => Math.abs(costOf(metered) / billed.cost - 1)));
  const shown = (good: boolean, text: string): string => (good ? style.good(`✓ ${text}`) : style.bad(`✗ ${text}`));
  const lines = [
    shown(found.right === calls, `${found.right} of ${calls} calls are there, with the right agent, model and ending`),
    shown(
      found.exact === found.reported,
      `${found.exact} of ${found.reported} calls that the vendor reported equal its bill, to the token and the nano-dollar`,
    ),
    shown(
      found.sumsRight === agents,
      `${found.sumsRight} of ${agents} agents: ledger (sub-agents rolled up) and arrived metrics agree in cost, tokens, calls`,
    ),
  ];
  if (estimates.length > 0) {
    lines.push(
      style.caution(
        `≈ ${estimates.length} calls that broke off are estimated: ${together} together, ${(worst * 100).toFixed(1)} % at worst`,
      ),
      style.caution(`  (a meter that waits for the last chunk would show $0 of these ${dollars(bill, 6)})`),
    );
  }
  const { problems } = found;
  if (problems.length === 0)
    lines.push("", style.bold("Every figure is right; only the marked estimates differ from the bill."));
  lines.push(...problems.slice(0, MAX_PROBLEMS).map((problem) => style.bad(`✗ ${problem}`)));
  if (problems.length > MAX_PROBLEMS) lines.push(style.bad(`✗ and ${problems.length - MAX_PROBLEMS} more`));
  return lines;
}

function difference(metered: number, billed: number): string {
  if (metered === billed) return "0";
  return `${dollars(metered - billed, 9).replace(/^\$/, "+$")} (${percentOff(metered, billed)})`;
}

function mark(good: boolean, style: Style): Cell {
  return good ? { text: "✓", paint: style.good } : { text: "✗", paint: style.bad };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
