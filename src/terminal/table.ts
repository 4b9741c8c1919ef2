import { type Paint, printable, type Style } from "./style.ts";

export interface Column {
  readonly title: string;
  /** Default: left. */
  readonly align?: "left" | "right";
  /** At least so wide, so that a table that is drawn again keeps its columns. */
  readonly width?: number;
}

export type Cell = string | { readonly text: string; readonly paint?: Paint | undefined };

export type Row = readonly Cell[] | "rule";

/** A title over several columns; none when it is empty. */
export interface Group {
  readonly title: string;
  readonly span: number;
}

export interface TableOptions {
  /** Titles are bold, over a rule. Default: plain titles, without one. */
  readonly style?: Style;
  /** They need a style. */
  readonly groups?: readonly Group[];
  /** Blanks between two columns. Default 2. */
  readonly gap?: number;
}

/** Rows under their titles, each column as wide as it must be. Colour is put on after aligning: it takes no room. */
export function textTable(
  titles: readonly (string | Column)[],
  rows: readonly Row[],
  { style, groups = [], gap = 2 }: TableOptions = {},
): string[] {
  const columns = titles.map((title) => (typeof title === "string" ? { title } : title));
  const widths = columns.map(({ title, width = 0 }, column) =>
    Math.max(width, title.length, ...rows.map((row) => (row === "rule" ? 0 : textOf(row[column]).length))),
  );
  const rule = (style?.dim ?? String)("─".repeat(widthOf(widths, gap)));
  const head = columns.map(({ title }) => ({ text: title, paint: style?.bold }));
  const lines: Row[] = style === undefined ? [head, ...rows] : [head, "rule", ...rows];
  const drawn = lines.map((row) => (row === "rule" ? rule : rowLine(row, columns, widths, gap)));
  return style === undefined || groups.length === 0 ? drawn : [groupLine(groups, widths, gap, style), ...drawn];
}

function rowLine(row: readonly Cell[], columns: readonly Column[], widths: readonly number[], gap: number): string {
  const parts = columns.map(({ align }, column) => {
    const cell = row[column] ?? "";
    const text = printable(textOf(cell));
    const blanks = " ".repeat(Math.max(0, (widths[column] ?? 0) - text.length));
    const shown = typeof cell === "string" || cell.paint === undefined ? text : cell.paint(text);
    return align === "right" ? blanks + shown : shown + blanks;
  });
  return parts.join(" ".repeat(gap)).trimEnd();
}

function textOf(cell: Cell = ""): string {
  return typeof cell === "string" ? cell : cell.text;
}

function groupLine(groups: readonly Group[], widths: readonly number[], gap: number, style: Style): string {
  let at = 0;
  const parts = groups.map(({ title, span }) => {
    const width = widthOf(widths.slice(at, at + span), gap);
    at += span;
    return title === "" ? " ".repeat(width) : style.dim(bracket(title, width));
  });
  return parts.join(" ".repeat(gap)).trimEnd();
}

/** A title in the middle of a line that reaches over its columns. */
function bracket(title: string, width: number): string {
  const room = Math.max(0, width - title.length - 2);
  const left = Math.floor(room / 2);
  return `${"─".repeat(left)} ${title} ${"─".repeat(room - left)}`;
}

function widthOf(widths: readonly number[], gap: number): number {
  return widths.reduce((sum, width) => sum + width + gap, -gap);
}
