/** Rows under a head, each column as wide as it must be. Columns that `numbers` names stand to the right. */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numbers: readonly string[] = [],
): readonly string[] {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row
      // What others wrote must not steer the terminal.
      .map((cell) => cell.replace(/\p{Cc}/gu, " "))
      .map((cell, column) =>
        numbers.includes(head[column] ?? "") ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [line(head), ...rows.map(line)];
}
