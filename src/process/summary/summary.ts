import type { Config } from "../../config/config.ts";
import type { Instruments } from "../../meter/metrics/instruments.ts";
import { lacksTarget } from "../telemetry.ts";
import { summaryLines } from "./table.ts";
import { createTotals, type Totals } from "./totals.ts";

/** The totals of a process that may show them at its end; undefined where it will not. */
export function openTotals(config: Config): Totals | undefined {
  return (config.summary ?? lacksTarget(config)) ? createTotals() : undefined;
}

/** Prints the table at the end of the process where {@link writeSummary} has one. */
export function printSummary(
  config: Config,
  { totals, instruments }: { readonly totals: Totals | undefined; readonly instruments: Instruments },
  say: (text: string) => void,
): void {
  const text = writeSummary(config, totals, instruments);
  if (text !== undefined) say(text);
}

/** The text to print at the end; undefined where there is nothing to show, or somebody else shows it. */
export function writeSummary(
  { summary }: Config,
  totals: Totals | undefined,
  instruments: Instruments,
): string | undefined {
  // A worker's end is not the process's.
  if (totals === undefined || !process.getBuiltinModule("node:worker_threads").isMainThread) return undefined;
  if (summary !== true && instruments.watch()) return undefined;
  const lines = summaryLines(totals, process.uptime());
  return lines.length === 0 ? undefined : lines.join("\n");
}
