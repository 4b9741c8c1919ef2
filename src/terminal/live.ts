const HIDE_CURSOR = "\x1b[?25l\x1b[?7l";
const SHOW_CURSOR = "\x1b[?25h\x1b[?7h";
const CLEAR_LINE = "\x1b[2K";
const CLEAR_BELOW = "\x1b[J";

/** Lines at the end of the output that are drawn over themselves: on a terminal only, elsewhere nothing is drawn. */
export interface LiveLines {
  draw(lines: readonly string[]): void;
  /** Clears the lines. The next output takes their place. */
  clear(): void;
}

export function createLiveLines(out: NodeJS.WriteStream): LiveLines {
  let drawn = 0;
  const showCursor = (): void => void out.write(SHOW_CURSOR);

  function above(): string {
    return `${drawn > 0 ? `\x1b[${drawn}A` : ""}\r`;
  }

  return {
    draw(lines) {
      // What is higher than the terminal cannot be drawn over.
      if (!out.isTTY || lines.length >= (out.rows || 24)) return;
      if (drawn === 0) process.once("exit", showCursor);
      out.write(HIDE_CURSOR + above() + lines.map((line) => `${CLEAR_LINE}${line}\n`).join("") + CLEAR_BELOW);
      drawn = lines.length;
    },
    clear() {
      if (drawn === 0) return;
      out.write(above() + CLEAR_BELOW + SHOW_CURSOR);
      drawn = 0;
      process.off("exit", showCursor);
    },
  };
}
