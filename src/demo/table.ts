import type { Paint, Style } from "../terminal/style.ts";

export interface Column {
  readonly title: string;
  readonly width: number;
  readonly align?: "left" | "right";
}

export interface Cell {
  readonly text: string;
  readonly paint?: Paint;
}

export interface Group {
  readonly title: string;
  /** Columns it stands over. */
  readonly span: number;
}

/** Between two groups of columns. */
const GAP = 2;

/** One line of cells, aligned to their columns. Colour is put on after aligning, so that it takes no room. */
export function tableRow(columns: readonly Column[], cells: readonly Cell[]): string {
  const parts = columns.map(({ width, align }, index) => {
    const { text, paint } = cells[index] ?? { text: "" };
    const blanks = " ".repeat(Math.max(0, width - text.length));
    const shown = paint ? paint(text) : text;
    return align === "left" ? shown + blanks : blanks + shown;
  });
  return parts.join("").trimEnd();
}

/** The titles of a table, with the titles of groups of columns over them and a rule below. */
export function tableHead(columns: readonly Column[], groups: readonly Group[], style: Style): string[] {
  const titles = columns.map(({ title }) => ({ text: title, paint: style.bold }));
  const lines = [tableRow(columns, titles), tableRule(columns, style)];
  if (groups.length === 0) return lines;
  let at = 0;
  let over = "";
  for (const { title, span } of groups) {
    const width = columns.slice(at, at + span).reduce((sum, column) => sum + column.width, 0);
    at += span;
    over += title === "" ? " ".repeat(width) : " ".repeat(GAP) + style.dim(bracket(title, width - GAP));
  }
  return [over.trimEnd(), ...lines];
}

export function tableRule(columns: readonly Column[], style: Style): string {
  return style.dim("─".repeat(columns.reduce((sum, column) => sum + column.width, 0)));
}

/** A title in the middle of a line that reaches over its columns. */
function bracket(title: string, width: number): string {
  const room = Math.max(0, width - title.length - 2);
  const left = Math.floor(room / 2);
  return `${"─".repeat(left)} ${title} ${"─".repeat(room - left)}`;
}
