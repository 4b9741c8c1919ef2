import { globSync, writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/**
 * Seconds for all parsers together. By default as much as CI can spare, and always the same cases; a longer run
 * (`npm run fuzz`) has new ones each time, unless it is given the seed that an earlier one printed.
 */
const { SPENDFUSE_FUZZ_SECONDS, SPENDFUSE_FUZZ_SEED } = process.env;
const SECONDS = Number(SPENDFUSE_FUZZ_SECONDS ?? 20);
const SEED = Number(SPENDFUSE_FUZZ_SEED ?? (SPENDFUSE_FUZZ_SECONDS === undefined ? 1 : Date.now() % 2 ** 31));
/** CPU of one case. Inputs are kilobytes, which take far less than that unless the time is not linear. */
const MAX_CASE_MS = 1_000;
/** A case that runs for this long will not end. */
const HUNG_MS = 60_000;
/** Of the report of a failure, in characters: the seed and the path in it repeat the case. */
const MAX_REPORT = 4_000;

const FILES = globSync(`${import.meta.dirname}/*.test.ts`).length;

/** Generated inputs, and what must hold of each. */
export type Property = (around: Around) => fc.IAsyncProperty<unknown>;

/** Runs the check of one case. */
type Around = (check: () => void | Promise<void>) => Promise<void>;

/** @param check throws, or rejects, when something else happens than must */
export function property<Input>(input: fc.Arbitrary<Input>, check: (input: Input) => void | Promise<void>): Property {
  return (around) => fc.asyncProperty(input, (value) => around(() => check(value)));
}

/**
 * Fuzzes one parser, in a file of its own in this folder. The time is divided among the files, then among their
 * properties; runs and seed are printed.
 */
export function fuzz(parser: string, properties: Readonly<Record<string, Property>>): void {
  const milliseconds = (SECONDS * 1_000) / FILES / Object.keys(properties).length;
  const lines: string[] = [];
  describe(parser, () => {
    let watchdog: Watchdog;
    beforeAll(() => {
      watchdog = startWatchdog(parser);
    });
    for (const [name, one] of Object.entries(properties)) {
      test(name, { timeout: 2 * milliseconds + 4 * HUNG_MS }, async () => {
        const runs = await run(one, milliseconds, watchdog);
        lines.push(`fuzz: ${parser}, ${name}: ${runs} runs, seed ${SEED}`);
        expect(runs).toBeGreaterThan(0);
      });
    }
    afterAll(async () => {
      await watchdog.stop();
      console.log(lines.join("\n"));
    });
  });
}

async function run(one: Property, milliseconds: number, dog: Watchdog): Promise<number> {
  let runs = 0;
  const measured = one(async (check) => {
    runs += 1;
    dog.begin();
    const { user: before } = process.cpuUsage();
    await check();
    const spent = (process.cpuUsage().user - before) / 1_000;
    dog.end();
    if (spent > MAX_CASE_MS) throw new Error(`took ${Math.round(spent)} ms of CPU`);
  });
  const details = await fc.check(measured, {
    seed: SEED,
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: milliseconds,
    markInterruptAsFailure: false,
  });
  dog.end();
  if (details.failed)
    throw new Error(fc.defaultReportMessage(details)?.slice(0, MAX_REPORT), { cause: details.errorInstance });
  return runs;
}

interface Watchdog {
  begin(): void;
  end(): void;
  stop(): Promise<unknown>;
}

/** Ends a process that hangs in a case, which nothing within its thread can do. */
function startWatchdog(parser: string): Watchdog {
  const began = new BigInt64Array(new SharedArrayBuffer(8));
  const worker = new Worker(
    `const { workerData: { began, limit, says } } = require("node:worker_threads");
     setInterval(() => {
       const at = Number(Atomics.load(began, 0));
       if (at === 0 || Date.now() - at < limit) return;
       require("node:fs").writeSync(2, says);
       process.kill(process.pid, "SIGKILL");
     }, 1_000);`,
    {
      eval: true,
      execArgv: [],
      workerData: { began, limit: HUNG_MS, says: `fuzz: ${parser} hangs, seed ${SEED}\n` },
    },
  );
  worker.unref();
  worker.on("error", (error) => writeSync(2, `fuzz: no watchdog: ${error.message}\n`));
  return {
    begin: () => void Atomics.store(began, 0, BigInt(Date.now())),
    end: () => void Atomics.store(began, 0, 0n),
    stop: () => worker.terminate(),
  };
}
