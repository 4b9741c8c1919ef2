import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { createFaults } from "../../../../src/core/faults.ts";
import type { ProgramReport, StartedProgram } from "../../../../src/meter/call/started-program.ts";
import { watchProgram } from "../../../../src/meter/transports/child-process/watched.ts";

const REPORT = { type: "result", total_cost_usd: 0.5, modelUsage: {} };
const PROGRAM = `
const line = '{"type":"assistant","text":"' + "x".repeat(9_970) + '"}\\n';
const last = ${JSON.stringify(JSON.stringify(REPORT))};
let left = 2_000;
const go = () => {
  while (left > 0) { left--; if (!process.stdout.write(line)) return process.stdout.once("drain", go); }
  process.stdout.write(last);
};
go();`;

interface Seen {
  readonly sha: string;
  readonly size: number;
  /** The most that waited in the stream. */
  readonly waited: number;
  readonly listeners: readonly (readonly [string | symbol, number])[];
  readonly code: number | null;
}

/** What a slow reader gets of the program, and how much waits for it. */
async function readSlowly(watch: (child: ChildProcess) => void): Promise<Seen> {
  const child = spawn(process.execPath, ["-e", PROGRAM], { stdio: ["ignore", "pipe", "ignore"] });
  watch(child);
  const { stdout } = child;
  const listeners = stdout.eventNames().map((name) => [name, stdout.listenerCount(name)] as const);
  const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
  const hash = createHash("sha256");
  let [size, waited] = [0, 0];
  for await (const chunk of stdout as AsyncIterable<Buffer>) {
    waited = Math.max(waited, stdout.readableLength);
    hash.update(chunk);
    size += chunk.length;
    await turn();
  }
  return { sha: hash.digest("hex"), size, waited, listeners, code: await closed };
}

test("20 MB of output that is read slowly are as without us, and wait no longer, with its report found", {
  timeout: 60_000,
}, async () => {
  const reports: ProgramReport[] = [];
  const ends: (number | null)[] = [];
  const started: StartedProgram = {
    addresses: undefined,
    leftUsd: undefined,
    past() {},
    report: (report) => reports.push(report),
    ended: (code) => ends.push(code),
  };
  const faults = createFaults(
    () => {},
    () => false,
  );
  const launch = { file: "claude", args: [], env: {} };
  const bare = await readSlowly(() => {});
  const watched = await readSlowly((child) => watchProgram(faults, child, { launch, started, reports: true }, 0));
  expect(watched).toEqual({ ...bare, waited: expect.any(Number) });
  expect(watched.size).toBeGreaterThan(19_000_000);
  expect(watched.waited).toBeLessThanOrEqual(256 * 1024);
  expect(reports).toMatchObject([{ usd: 0.5 }]);
  expect(ends).toEqual([0]);
});

test("a program that could not be started has ended", () => {
  const ends: (number | null)[] = [];
  const started: StartedProgram = {
    addresses: undefined,
    leftUsd: undefined,
    past() {},
    report() {},
    ended: (code) => void ends.push(code),
  };
  const faults = createFaults(
    () => {},
    () => false,
  );
  const launch = { file: "claude", args: [], env: {} };
  watchProgram(faults, {} as ChildProcess, { launch, started }, -2);
  expect(ends).toEqual([null]);
});
