import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout } from "node:timers";
import { pathToFileURL } from "node:url";
import type { Mutant } from "./mutants.ts";
import type { Order, Outcome } from "./session.ts";

/** What became of a mutant. One that hangs was noticed. */
export interface Verdict {
  readonly type: "killed" | "timed out" | "survived" | "unreached";
}

/** What the tests reach while no mutant is on. */
export interface Reach {
  /** By the number of the mutant: the files of tests that reach it, the quickest first. */
  readonly byMutant: ReadonlyMap<number, readonly string[]>;
  /** Milliseconds of each file. */
  readonly ms: ReadonlyMap<string, number>;
  /** Files that fail as they are, and why. */
  readonly failing: ReadonlyMap<string, string>;
}

const NONE = -1;
/** The tests of one mutant may take so long together, by what they took without it, in milliseconds. */
const MAX_PLANNED_MS = 30_000;
/** And so many times as long before it counts as hanging. */
const PATIENCE = 5;
const LEAST_MS = 30_000;
const ATTEMPTS = 3;

export async function runMutants(
  dir: string,
  mutants: readonly Mutant[],
  tests: readonly string[],
  jobs: number,
  onReach: (reach: Reach) => void,
): Promise<ReadonlyMap<Mutant, Verdict>> {
  const reach = await findReach(dir, tests, jobs);
  onReach(reach);
  const verdicts = new Map<Mutant, Verdict>();
  const queue = mutants.values();
  await Promise.all(Array.from({ length: jobs }, () => takeMutants(dir, queue, reach, verdicts)));
  return verdicts;
}

async function takeMutants(
  dir: string,
  queue: Iterator<Mutant>,
  reach: Reach,
  verdicts: Map<Mutant, Verdict>,
): Promise<void> {
  let session = await openSession(dir);
  for (let { value: mutant } = queue.next(); mutant !== undefined; { value: mutant } = queue.next()) {
    const files = plan(reach, mutant);
    if (files.length === 0) {
      verdicts.set(mutant, { type: "unreached" });
      continue;
    }
    const planned = files.reduce((sum, file) => sum + (reach.ms.get(file) ?? 0), 0);
    const order = { mutant: mutant.id, files: inDir(dir, files) };
    const outcome = await askSurely(session, order, LEAST_MS + PATIENCE * planned);
    if (outcome === undefined) {
      session = await openSession(dir);
      verdicts.set(mutant, { type: "timed out" });
    } else verdicts.set(mutant, { type: reasonOf(outcome) === undefined ? "survived" : "killed" });
    if (verdicts.size % 25 === 0) console.log(`${verdicts.size} mutants tried`);
  }
  session.close();
}

const reasonOf = ({ failed, broken }: Outcome): string | undefined => failed ?? broken;

/** Asks again where a busy machine may be the reason: a worker did not start, or a test took too long. */
async function askSurely(session: Session, order: Order, maxMs: number): Promise<Outcome | undefined> {
  let outcome: Outcome | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    outcome = await session.ask(order, maxMs);
    if (outcome === undefined) return undefined;
    const { failed, broken } = outcome;
    if (failed === undefined ? broken === undefined : !/timed out|no answer within/i.test(failed)) return outcome;
  }
  return outcome;
}

/** The tests of the mutant's own room, which are most likely to notice, and then the others, the quickest first. */
function plan({ byMutant, ms }: Reach, { id, file }: Mutant): readonly string[] {
  const room = `test/${file.split("/").slice(1, -1).join("/")}/`;
  const reaching = byMutant.get(id) ?? [];
  const own = reaching.filter(
    (test) => test.startsWith(room) || room.startsWith(`${test.split("/").slice(0, 2).join("/")}/`),
  );
  const files: string[] = [];
  let planned = 0;
  for (const test of new Set([...own, ...reaching])) {
    planned += ms.get(test) ?? 0;
    if (files.length > 0 && planned > MAX_PLANNED_MS) break;
    files.push(test);
  }
  return files;
}

const inDir = (dir: string, files: readonly string[]): readonly string[] => files.map((file) => join(dir, file));

async function findReach(dir: string, tests: readonly string[], jobs: number): Promise<Reach> {
  const path = join(dir, "reach.jsonl");
  writeFileSync(path, "");
  const env = {
    MUTATION_REACH: path,
    MUTATION_SWITCH: pathToFileURL(join(dir, "src/mutation-switch.ts")).href,
  };
  const parts = Array.from({ length: jobs }, (_, part) => tests.filter((_, index) => index % jobs === part));
  const failing = new Map<string, string>();
  await Promise.all(
    parts.map(async (part) => {
      const session = await openSession(dir, env);
      // One by one, so that each says for itself whether it passes.
      for (const test of part) {
        const outcome = await askSurely(session, { mutant: NONE, files: inDir(dir, [test]) }, 600_000);
        const why = outcome && reasonOf(outcome);
        if (why !== undefined) failing.set(test, why);
      }
      session.close();
    }),
  );
  const lines = readFileSync(path, "utf8").trim().split("\n");
  const seen = lines.map((line) => JSON.parse(line) as { testPath: string; ms: number; reached: readonly number[] });
  const rows = seen
    .map((row) => ({ ...row, test: relative(dir, row.testPath) }))
    .filter(({ test }) => !failing.has(test))
    .sort((a, b) => a.ms - b.ms);
  const byMutant = new Map<number, string[]>();
  for (const { test, reached } of rows) for (const id of reached) byMutant.set(id, [...(byMutant.get(id) ?? []), test]);
  return { byMutant, ms: new Map(rows.map(({ test, ms }) => [test, ms])), failing };
}

interface Session {
  /** Undefined when it took longer: then the session is over. */
  ask(order: Order, maxMs: number): Promise<Outcome | undefined>;
  close(): void;
}

async function openSession(dir: string, env: Readonly<Record<string, string>> = {}): Promise<Session> {
  const child = fork(join(dir, "test/mutation/session.ts"), [dir], {
    cwd: dir,
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    // A group of its own: with the session its workers end, whatever they hang in.
    detached: true,
  });
  const end = (): void => endGroup(child);
  process.once("exit", end);
  await once(child, "message");
  return {
    async ask(order, maxMs) {
      child.send(order);
      const late = Promise.withResolvers<undefined>();
      const timer = setTimeout(() => late.resolve(undefined), maxMs);
      const outcome = await Promise.race([once(child, "message"), late.promise]);
      clearTimeout(timer);
      if (outcome === undefined) end();
      return outcome?.[0] as Outcome | undefined;
    },
    close() {
      process.off("exit", end);
      end();
    },
  };
}

function endGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-(pid as number), "SIGKILL");
  } catch {
    // It has ended.
  }
}
