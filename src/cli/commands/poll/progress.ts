import type { Progress } from "../../../billing/poll.ts";

const WIDTH = 24;
/** What is read in one go needs no bar. */
const MANY = 4;

/** A line that is drawn over itself, on a terminal only. */
export interface ProgressBar {
  draw(vendor: string, progress: Progress): void;
  clear(): void;
}

export function createProgressBar(stream: NodeJS.WriteStream): ProgressBar {
  let drawn = false;
  return {
    draw(vendor, { report, done, of, rows }) {
      if (!stream.isTTY || of < MANY) return;
      const full = Math.round((done / of) * WIDTH);
      const bar = "█".repeat(full) + "░".repeat(WIDTH - full);
      const line = `${vendor} ${bar} ${done} of ${of} windows, ${rows.toLocaleString("en-US")} rows  ${report}`;
      stream.write(`\r\x1b[2K${line.slice(0, stream.columns || 80)}`);
      drawn = true;
    },
    clear() {
      if (drawn) stream.write("\r\x1b[2K");
      drawn = false;
    },
  };
}
