import type { ChildProcess } from "node:child_process";
import type { Writable } from "node:stream";
import type { ProgramReport, ProgramStart } from "../../../meter/call/started-program.ts";
import { programOf, tellsItsUse } from "../../../meter/transports/child-process/launch.ts";
import { startOf } from "../../../meter/transports/child-process/past.ts";
import { createReportReader } from "../../../meter/transports/child-process/reports.ts";
import { differenceOf, differs } from "../../../process/programs/program-turns.ts";
import type { Runtime } from "../../../process/runtime.ts";
import type { Spend } from "./spend.ts";

/** What a program may say of its own use on its standard output. */
export interface Told {
  readonly start: ProgramStart;
  readonly startedAt: number;
  /** The last of its reports, which are of all that it has used since it began. */
  report: ProgramReport | undefined;
}

/** Undefined where the output cannot have a report, or is a terminal's, which only the program itself should write to. */
export function expectReport(
  [file = "", ...args]: readonly string[],
  output: { readonly isTTY?: boolean },
): Told | undefined {
  const found = programOf({ file, args });
  if (output.isTTY === true || found === undefined || !tellsItsUse(found)) return undefined;
  return { start: startOf(found), startedAt: Date.now(), report: undefined };
}

/** Passes the program's standard output on as it comes, and looks for reports in it. */
export function passOutput({ stdout }: ChildProcess, to: Writable, told: Told): void {
  if (stdout === null) return;
  const see = createReportReader((report) => {
    told.report = report;
  });
  stdout.on("data", see);
  stdout.once("end", () => see(new Uint8Array(0)));
  // Whoever read our output has gone: the program learns it as it would by itself.
  to.once("error", () => stdout.destroy());
  stdout.pipe(to, { end: false });
}

/** Makes the report the record of a run of which nothing was metered; compares it with the record of others. Returns lines to say. */
export function useReport(runtime: Runtime, spend: Spend, { start, startedAt, report }: Told): readonly string[] {
  if (report === undefined) return [];
  const { name, resumes } = start;
  if (spend.calls() > 0) {
    const metered = spend.usd();
    if (report.usd === undefined || resumes || metered === undefined || !differs(metered, report.usd)) return [];
    return [differenceOf(name, metered, report.usd)];
  }
  const past = `no call of ${name} reached the proxy`;
  // Its report has the earlier session in it, which nobody can take out.
  if (resumes) return [`${past}, and its own report is of the earlier session too: this run is not metered`];
  runtime.adoptReport({ report, start, startedAt });
  return [`${past}: what it spent is by its own report, and no cap has held it`];
}
