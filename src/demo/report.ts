import type { Paint, Style } from "../terminal/style.ts";
import { dollars, percentOff } from "../terminal/style.ts";
import { AGENTS, nameInTree } from "./agents.ts";
import type { Accounts, Audit, Pair } from "./audit.ts";
import { costOf } from "./spend.ts";
import type { Cell, Column } from "./table.ts";
import { tableHead, tableRow, tableRule } from "./table.ts";

const BILL: readonly Column[] = [
  { title: "agent", width: 12, align: "left" },
  { title: "vendor's bill", width: 16 },
  { title: "metered", width: 16 },
  { title: "difference", width: 26 },
  { title: "arrived by OTLP", width: 18 },
  { title: "", width: 4 },
];

const ESTIMATES: readonly Column[] = [
  { title: "model", width: 28, align: "left" },
  { title: "ended", width: 10, align: "left" },
  { title: "out billed", width: 12 },
  { title: "estimated", width: 11 },
  { title: "bill", width: 14 },
  { title: "estimated", width: 14 },
  { title: "off by", width: 10 },
];

const MAX_PROBLEMS = 20;

/** The vendor's bill beside what was metered and what arrived as metrics, agent by agent. */
export function billTable({ settled, bill, received }: Accounts, style: Style): string[] {
  const row = (name: string, agents: readonly string[]): string => {
    const own = settled.filter((call) => agents.includes(call.scope.agent));
    const metered = sum(own.map(costOf));
    const billed = sum(bill.filter((call) => agents.includes(call.agent)).map((call) => call.cost));
    const arrived = sum(agents.map((agent) => received.get(agent)?.cost ?? 0));
    const estimated = own.some((call) => call.quality === "estimated");
    const off = difference(metered, billed);
    return tableRow(BILL, [
      { text: name, paint: style.accent },
      { text: dollars(billed, 9) },
      { text: dollars(metered, 9) },
      { text: off, paint: metered === billed ? style.good : estimated ? style.caution : style.bad },
      { text: dollars(arrived, 9) },
      mark(arrived === metered && (estimated || metered === billed), style),
    ]);
  };
  return [
    ...tableHead(BILL, [], style),
    ...AGENTS.map(({ name }) => row(nameInTree(name), [name])),
    tableRule(BILL, style),
    row(
      "all",
      AGENTS.map(({ name }) => name),
    ),
  ];
}

/** Every call whose usage had to be estimated, with its error. */
export function estimateTable(estimates: readonly Pair[], style: Style): string[] {
  const rows = estimates.map(({ metered, billed }) =>
    tableRow(ESTIMATES, [
      { text: billed.model, paint: style.accent },
      { text: metered.ending, paint: metered.ending === "failed" ? style.bad : style.caution },
      { text: String(billed.tokens.output) },
      { text: String(metered.usage?.output ?? 0) },
      { text: dollars(billed.cost, 6) },
      { text: dollars(costOf(metered), 6) },
      { text: percentOff(costOf(metered), billed.cost), paint: style.caution },
    ]),
  );
  return [
    ...tableHead(
      ESTIMATES,
      [
        { title: "", span: 2 },
        { title: "tokens", span: 2 },
        { title: "cost", span: 3 },
      ],
      style,
    ),
    ...rows,
  ];
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

function mark(good: boolean, style: Style): Cell & { readonly paint: Paint } {
  return good ? { text: "✓", paint: style.good } : { text: "✗", paint: style.bad };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
