import type { Bound } from "../bound.ts";
import { runProgram } from "../program.ts";

/** MiB. */
const SIZES = [1, 8, 28, 64];
/** A fixed cost that an event may have besides, in milliseconds. */
const FREE_MS = 20;
const RUNS = 3;

interface Figures {
  readonly cpuMs: number;
  readonly peakMb: number;
  readonly blockMs: number;
}

/**
 * CPU of reading one event of 1 to 64 MiB, beyond 20 ms, as a multiple of what it takes unmetered; the worst of the
 * sizes. Prints CPU, peak memory and the longest block of the event loop of both.
 */
export const longEvent: Bound = {
  limit: 1.5,
  unit: "×",
  async measure() {
    let worst = 0;
    for (const mib of SIZES) {
      const bare = await quietest("bare", mib);
      const metered = await quietest("metered", mib);
      console.log(`  event of ${mib} MiB: bare ${shown(bare)}; metered ${shown(metered)}`);
      worst = Math.max(worst, (metered.cpuMs - FREE_MS) / bare.cpuMs);
    }
    return worst;
  },
};

async function quietest(how: string, mib: number): Promise<Figures> {
  const runs: Figures[] = [];
  for (let i = 0; i < RUNS; i++) runs.push((await runProgram("long-event.ts", [how, String(mib)])) as Figures);
  const least = (of: (figures: Figures) => number): number => Math.min(...runs.map(of));
  return { cpuMs: least((f) => f.cpuMs), peakMb: least((f) => f.peakMb), blockMs: least((f) => f.blockMs) };
}

const shown = ({ cpuMs, peakMb, blockMs }: Figures): string =>
  `${cpuMs.toFixed(0)} ms CPU, + ${peakMb.toFixed(0)} MB, block ${blockMs.toFixed(0)} ms`;
