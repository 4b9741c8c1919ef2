import type { Progress } from "../../../billing/poll.ts";
import { createLiveLines } from "../../../terminal/live.ts";

const WIDTH = 24;
/** What is read in one go needs no bar. */
const MANY = 4;

/** How far a vendor's bill has been read, on a terminal only. */
export interface ProgressBar {
  draw(vendor: string, progress: Progress): void;
  clear(): void;
}

export function createProgressBar(stream: NodeJS.WriteStream): ProgressBar {
  const { draw, clear } = createLiveLines(stream);
  return {
    draw(vendor, { report, done, of, rows }) {
      if (of < MANY) return;
      const full = Math.round((done / of) * WIDTH);
      const bar = "█".repeat(full) + "░".repeat(WIDTH - full);
      draw([`${vendor} ${bar} ${done} of ${of} windows, ${rows.toLocaleString("en-US")} rows  ${report}`]);
    },
    clear,
  };
}
