import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout } from "node:timers";
import { parseArgs } from "node:util";
import { DEFECTS, type Defect } from "./defects.ts";
import { copyProject } from "./working-copy.ts";

/**
 * Puts each defect of the table into a copy of the project, one at a time, and runs the tests that must notice it.
 * Prints a line a defect, and exits with 1 when one survives, when its text is no longer found, or when its tests fail
 * without it. `--only TEXT` takes the rows whose name contains the text.
 */
const { values } = parseArgs({ options: { only: { type: "string", default: "" } } });
const JOBS = 2;
/** A defect may make a test wait for ever, which is noticed too. For one defect, and for all tests without any. */
const MAX_MS = { one: 240_000, all: 900_000 };

type Verdict = "killed" | "killed (timed out)" | "SURVIVED" | "NOT FOUND";

/** A file of tests in the report that vitest writes. */
interface FileResult {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly assertionResults: readonly { readonly status: string }[];
}

/** The test files that fail, or undefined when the run had to be ended. */
async function failingTests(
  dir: string,
  tests: readonly string[],
  maxMs: number,
): Promise<ReadonlySet<string> | undefined> {
  const output = join(dir, "results.json");
  writeFileSync(output, "");
  const vitest = join(dir, "node_modules/vitest/vitest.mjs");
  const flags = ["--no-cache", "--fsModuleCache=false", "--reporter=json", `--outputFile=${output}`];
  const child = spawn(process.execPath, [vitest, "run", ...tests, ...flags], {
    cwd: dir,
    stdio: "ignore",
    detached: true,
  });
  const end = (): boolean => process.kill(-child.pid!, "SIGKILL");
  process.once("exit", end);
  let late = false;
  const timer = setTimeout(() => {
    late = end();
  }, maxMs);
  await once(child, "exit");
  process.off("exit", end);
  clearTimeout(timer);
  if (late) return undefined;
  const json = readFileSync(output, "utf8");
  if (json === "") throw new Error(`vitest wrote no results for ${tests.join(", ")}`);
  const { testResults } = JSON.parse(json) as { testResults: readonly FileResult[] };
  const ran = new Map(testResults.map((file) => [relative(dir, file.name), file]));
  const missing = tests.filter((test) => !ran.has(test));
  if (missing.length > 0) throw new Error(`vitest did not run ${missing.join(", ")}`);
  // A file that cannot even be loaded says nothing of its tests.
  const broken = testResults.find(
    ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
  );
  if (broken) throw new Error(`${relative(dir, broken.name)} cannot be loaded: ${broken.message}`);
  return new Set(tests.filter((test) => ran.get(test)?.assertionResults.some(({ status }) => status === "failed")));
}

async function tryDefect(dir: string, { file, find, replace, tests }: Defect): Promise<Verdict> {
  const path = join(dir, file);
  const source = readFileSync(path, "utf8");
  const at = source.indexOf(find);
  if (at < 0 || source.indexOf(find, at + 1) >= 0) return "NOT FOUND";
  writeFileSync(path, source.slice(0, at) + replace + source.slice(at + find.length));
  try {
    const failing = await failingTests(dir, tests, MAX_MS.one);
    if (failing === undefined) return "killed (timed out)";
    return tests.every((test) => failing.has(test)) ? "killed" : "SURVIVED";
  } finally {
    writeFileSync(path, source);
  }
}

async function takeRows(rows: Iterator<Defect>, verdicts: Map<Defect, Verdict>): Promise<void> {
  const copy = copyProject("defect");
  for (let { value: row } = rows.next(); row !== undefined; { value: row } = rows.next()) {
    const verdict = await tryDefect(copy.dir, row);
    verdicts.set(row, verdict);
    const where = verdict === "NOT FOUND" ? `; its text must stand in ${row.file} exactly once` : "";
    console.log(`${verdict.padEnd(10)} ${row.name} (${row.file})${where}`);
  }
  copy.remove();
}

const rows = DEFECTS.filter(({ name }) => name.includes(values.only));
const clean = copyProject("defect");
const tests = [...new Set(rows.flatMap((row) => row.tests))];
const failing = await failingTests(clean.dir, tests, MAX_MS.all);
clean.remove();
if (failing === undefined || failing.size > 0) {
  console.error(`these fail without any defect: ${[...(failing ?? tests)].join(", ")}`);
  process.exit(1);
}

const verdicts = new Map<Defect, Verdict>();
const queue = rows.values();
await Promise.all(Array.from({ length: JOBS }, () => takeRows(queue, verdicts)));
const killed = [...verdicts.values()].filter((verdict) => verdict.startsWith("killed")).length;
console.log(`${killed} of ${rows.length} deliberate defects killed`);
process.exitCode = killed === rows.length ? 0 : 1;
