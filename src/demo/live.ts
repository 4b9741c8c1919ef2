import type { WriteStream } from "node:tty";

const HIDE_CURSOR = "\x1b[?25l\x1b[?7l";
const SHOW_CURSOR = "\x1b[?25h\x1b[?7h";
const CLEAR_LINE = "\x1b[2K";
const CLEAR_BELOW = "\x1b[J";

/** A block of lines at the end of the output. On a terminal it is redrawn in place, elsewhere only its last state shows. */
export interface LiveBlock {
  draw(lines: readonly string[]): void;
  /** Draws for the last time; what is written after it stands below. */
  finish(lines: readonly string[]): void;
}

export function createLiveBlock(out: WriteStream | NodeJS.WriteStream): LiveBlock {
  let drawn = 0;
  const live = out.isTTY === true;

  function render(lines: readonly string[]): string {
    const up = drawn > 0 ? `\x1b[${drawn}A` : "";
    drawn = lines.length;
    return `${up}\r${lines.map((line) => `${CLEAR_LINE}${line}\n`).join("")}${CLEAR_BELOW}`;
  }
  const restore = (): void => void out.write(SHOW_CURSOR);
  const interrupt = (): void => {
    restore();
    process.exit(130);
  };
  if (live) {
    process.on("exit", restore);
    process.on("SIGINT", interrupt);
  }

  return {
    draw(lines) {
      // What is higher than the terminal cannot be drawn over.
      if (live && lines.length < out.rows) out.write(HIDE_CURSOR + render(lines));
    },
    finish(lines) {
      if (!live) return void out.write(`${lines.join("\n")}\n`);
      out.write(render(lines) + SHOW_CURSOR);
      process.off("exit", restore);
      process.off("SIGINT", interrupt);
    },
  };
}
