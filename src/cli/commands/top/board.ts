import { counted, showCount, showUsd } from "../../../terminal/amount.ts";
import type { Style } from "../../../terminal/style.ts";
import { type Column, type Row, textTable } from "../../../terminal/table.ts";
import type { Total } from "./source.ts";

/** One name as it is shown. */
export interface Line extends Readonly<Total> {
  readonly name: string;
  /** Nano-USD a minute over the last minute. */
  readonly pace: number;
  /** The circuit, where it is not closed. */
  readonly circuit: string;
}

/** Readings of the last minute, the oldest first. */
export type Readings = readonly { readonly at: number; readonly totals: ReadonlyMap<string, Readonly<Total>> }[];

const MINUTE = 60_000;

/** Adds a reading, and forgets those that are not needed for the pace of the last minute. */
export function withReading(readings: Readings, totals: ReadonlyMap<string, Readonly<Total>>, at: number): Readings {
  const copy = new Map([...totals].map(([name, total]) => [name, { ...total }]));
  const kept = readings.filter((one, index) => at - one.at < MINUTE || index === readings.length - 1);
  return [...kept, { at, totals: copy }];
}

/** The lines of the newest reading. @param circuits States by scope of those that are not closed. */
export function linesOf(readings: Readings, circuits: ReadonlyMap<string, string>, scope: string): readonly Line[] {
  const newest = readings.at(-1);
  const oldest = readings[0];
  if (newest === undefined || oldest === undefined) return [];
  const minutes = (newest.at - oldest.at) / MINUTE;
  return [...newest.totals].map(([name, total]) => {
    const grown = total.nano - (oldest.totals.get(name)?.nano ?? 0);
    const circuit = circuits.get(`${scope}:${name}`) ?? circuits.get("all") ?? "";
    return { name, ...total, pace: minutes > 0 ? Math.max(0, grown / minutes) : 0, circuit };
  });
}

/** What the keys change. */
export interface View {
  /** The column by which lines are sorted, in {@link COLUMNS}. */
  readonly sort: number;
  readonly filter: string;
  /** The name that the keys act on. */
  readonly selected: string | undefined;
  readonly mode:
    | { readonly type: "list" }
    | { readonly type: "filter" }
    | { readonly type: "confirm"; readonly verb: "trip" | "reset"; readonly name: string };
  /** What the last command answered. */
  readonly message: string;
}

/** What a key asks for beyond the view. */
export type Order =
  | { readonly type: "quit" }
  | { readonly type: "change"; readonly verb: "trip" | "reset"; readonly name: string };

const COLUMNS: readonly {
  readonly title: string;
  readonly of: (line: Line) => number;
  readonly text: (line: Line) => string;
}[] = [
  { title: "cost", of: ({ nano }) => nano, text: ({ nano }) => showUsd(nano / 1e9) },
  { title: "per minute", of: ({ pace }) => pace, text: ({ pace }) => showUsd(pace / 1e9) },
  { title: "calls", of: ({ calls }) => calls, text: ({ calls }) => showCount(calls) },
  { title: "tokens", of: ({ tokens }) => tokens, text: ({ tokens }) => showCount(tokens) },
  { title: "inexact", of: ({ inexact }) => inexact, text: ({ inexact }) => (inexact === 0 ? "" : showCount(inexact)) },
];

export const FIRST_VIEW: View = { sort: 0, filter: "", selected: undefined, mode: { type: "list" }, message: "" };

/** The lines that are shown, in their order. */
export function shownLines({ filter, sort }: View, lines: readonly Line[]): readonly Line[] {
  const of = (COLUMNS[sort] ?? (COLUMNS[0] as (typeof COLUMNS)[number])).of;
  const asked = filter.toLowerCase();
  return lines
    .filter(({ name }) => name.toLowerCase().includes(asked))
    .sort((a, b) => of(b) - of(a) || (a.name < b.name ? -1 : 1));
}

/** The view after a key, as `node:readline` names it, and what is to be done. */
export function nextView(view: View, key: string, lines: readonly Line[]): readonly [View, Order?] {
  if (key === "ctrl-c") return [view, { type: "quit" }];
  if (view.mode.type === "filter") return [filtered(view, key)];
  if (view.mode.type === "confirm") {
    const { verb, name } = view.mode;
    const list: View = { ...view, mode: { type: "list" } };
    return key === "y" ? [list, { type: "change", verb, name }] : [{ ...list, message: "nothing was changed" }];
  }
  const shown = shownLines(view, lines);
  switch (key) {
    case "q":
      return [view, { type: "quit" }];
    case "s":
      return [{ ...view, sort: (view.sort + 1) % COLUMNS.length }];
    case "S":
      return [{ ...view, sort: (view.sort + COLUMNS.length - 1) % COLUMNS.length }];
    case "/":
      return [{ ...view, filter: "", mode: { type: "filter" } }];
    case "escape":
      return [{ ...view, filter: "", message: "" }];
    case "up":
    case "down":
      return [{ ...view, selected: neighbour(shown, view.selected, key === "up" ? -1 : 1) }];
    case "t":
    case "r":
      return [asked(view, key === "t" ? "trip" : "reset", shown)];
    default:
      return [view];
  }
}

function filtered(view: View, key: string): View {
  if (key === "return" || key === "escape")
    return { ...view, mode: { type: "list" }, ...(key === "escape" && { filter: "" }) };
  if (key === "backspace") return { ...view, filter: view.filter.slice(0, -1) };
  return key.length === 1 ? { ...view, filter: view.filter + key } : view;
}

function neighbour(shown: readonly Line[], selected: string | undefined, step: number): string | undefined {
  const at = shown.findIndex(({ name }) => name === selected);
  if (at === -1) return shown[step > 0 ? 0 : shown.length - 1]?.name;
  return shown[Math.min(shown.length - 1, Math.max(0, at + step))]?.name;
}

function asked(view: View, verb: "trip" | "reset", shown: readonly Line[]): View {
  const name = shown.find((line) => line.name === view.selected)?.name;
  if (name === undefined) return { ...view, message: "select a line with the arrows first" };
  return { ...view, mode: { type: "confirm", verb, name }, message: "" };
}

export interface Frame {
  readonly title: string;
  /** What a line stands for: `agent`. */
  readonly by: string;
  readonly style: Style;
  /** Rows of the terminal, all of which may be used; undefined for a table that is printed once. */
  readonly height: number | undefined;
}

/** The lines to draw. */
export function drawBoard(view: View, lines: readonly Line[], { title, by, style, height }: Frame): readonly string[] {
  const shown = shownLines(view, lines);
  const room = height === undefined ? shown.length : Math.max(1, height - 6);
  const selected = shown.findIndex(({ name }) => name === view.selected);
  const from = Math.max(0, Math.min(selected - room + 1, shown.length - room));
  const titles: readonly Column[] = [
    { title: by },
    ...COLUMNS.map(({ title: name }, index) => ({
      title: height !== undefined && index === view.sort ? `${name}▼` : name,
      align: "right" as const,
    })),
    { title: "circuit" },
  ];
  const rows = shown.slice(from, from + room).map((line): Row => {
    const paint = line.name === view.selected ? style.accent : line.circuit === "" ? undefined : style.bad;
    return [line.name, ...COLUMNS.map(({ text }) => text(line)), line.circuit].map((text) => ({ text, paint }));
  });
  const nano = lines.reduce((sum, line) => sum + line.nano, 0);
  const pace = lines.reduce((sum, line) => sum + line.pace, 0);
  const sums = `${showUsd(nano / 1e9)}, ${showUsd(pace / 1e9)} a minute, ${counted(lines.length, by)}`;
  const empty = view.filter === "" ? EMPTY : `no ${by} contains "${view.filter}"`;
  return [
    `${style.bold(sums)}  ${style.dim(title)}`,
    "",
    ...(shown.length === 0 ? [empty] : textTable(titles, rows, { style })),
    ...(height === undefined ? [] : ["", footOf(view, style)]),
  ];
}

const EMPTY = "nothing was metered yet";

function footOf({ mode, filter, message }: View, style: Style): string {
  if (mode.type === "filter") return `filter: ${filter}_`;
  if (mode.type === "confirm") {
    const what = mode.verb === "trip" ? "refuse every call of" : "let calls pass again of";
    return style.caution(`${what} ${mode.name} in all processes? y, or any other key`);
  }
  if (message !== "") return message;
  return style.dim(`s sort  / filter${filter === "" ? "" : ` (${filter})`}  ↑↓ select  t trip  r reset  q quit`);
}
