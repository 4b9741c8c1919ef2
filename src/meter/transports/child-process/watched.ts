import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import type { Faults } from "../../../core/faults.ts";
import type { Prepared } from "./launch.ts";
import { createReportReader } from "./reports.ts";

const EMPTY = new Uint8Array(0);

/** Follows an agent program that runs beside us to its end. @param result What starting it returned: 0, or an error. */
export function watchProgram(
  faults: Faults,
  child: ChildProcess,
  { started, reports }: Prepared,
  result: unknown,
): void {
  if (started === undefined) return;
  if (typeof result === "number" && result !== 0) {
    started.ended(null);
    return;
  }
  child.once("exit", (code) => started.ended(code));
  if (reports === true && child.stdout) watchOutput(faults, child.stdout, createReportReader(started.report));
}

/** Sees each chunk where it comes into the stream: nothing is read, and no listener is added to it. */
function watchOutput(faults: Faults, output: Readable, see: (chunk: Uint8Array) => void): void {
  const push = output.push.bind(output);
  const value = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (chunk instanceof Uint8Array) faults.guard("body", () => see(chunk));
    else if (chunk === null) faults.guard("body", () => see(EMPTY));
    return push(chunk, encoding);
  };
  Object.defineProperty(output, "push", { configurable: true, writable: true, value });
}

/** What a synchronous launch returned or has thrown: the output alone, or an object with it. */
export function endedProgram({ started, reports }: Prepared, result: unknown): void {
  if (started === undefined) return;
  const { stdout = result, status = 0 } = (isOutput(result) ? {} : (result ?? {})) as {
    readonly stdout?: unknown;
    readonly status?: number | null;
  };
  if (reports === true && isOutput(stdout)) {
    const see = createReportReader(started.report);
    see(typeof stdout === "string" ? Buffer.from(stdout) : stdout);
    see(EMPTY);
  }
  started.ended(status);
}

function isOutput(value: unknown): value is string | Uint8Array {
  return typeof value === "string" || value instanceof Uint8Array;
}
