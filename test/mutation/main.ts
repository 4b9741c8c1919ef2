import { cpSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { copyProject } from "../defects/working-copy.ts";
import { createRandom } from "../random.ts";
import { instrument } from "./instrument.ts";
import { findSites, type Mutant, type Site } from "./mutants.ts";
import { type Reach, runMutants, type Verdict } from "./run.ts";

/**
 * Changes the code of a room in small ways, one at a time, and sees whether a test fails. Prints a score for each room,
 * the share of mutants that were killed, and the place of each that survived; one that no test reaches has survived.
 *
 * `--room NAME` (may be given again), `--sample N` mutants of each room, `--seed N`, `--jobs N`.
 */
const { values } = parseArgs({
  options: {
    room: { type: "string", multiple: true },
    sample: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "2" },
  },
});

const ROOMS: Readonly<Record<string, string>> = {
  core: "src/core",
  limits: "src/limits",
  pricing: "src/pricing",
  wire: "src/meter/wire",
  guard: "src/guard",
  reconcile: "src/billing/reconcile",
};
/** Where tests are looked for; those that start processes or take long are left out, so that a mutant takes seconds. */
const TESTS = ["core", "limits", "pricing", "meter/wire", "guard", "billing/reconcile", "stores", "breaker", "process"];
const MORE_TESTS = [
  "billing/settle",
  "config/config",
  "known-failures/*",
  "recordings/replay",
  "meter/metrics/instruments",
];
const LEFT_OUT = /core\/faults|guard\/(fleet|store-loss)|breaker\/server|known-failures\/telemetry/;

const chosen = values.room ?? Object.keys(ROOMS);
for (const room of chosen)
  if (ROOMS[room] === undefined) throw new Error(`no room "${room}": ${Object.keys(ROOMS).join(", ")}`);
const copy = copyProject("mutation");
cpSync(join(import.meta.dirname, "switch.ts"), join(copy.dir, "src/mutation-switch.ts"));

const random = createRandom(Number(values.seed));
const mutants: Mutant[] = [];
const roomOf = new Map<Mutant, string>();
for (const room of chosen) for (const mutant of plant(room, ROOMS[room] as string)) roomOf.set(mutant, room);

const tests = [...TESTS.map((folder) => `${folder}/**/*`), ...MORE_TESTS]
  .flatMap((pattern) => globSync(`test/${pattern}.test.ts`, { cwd: copy.dir }))
  .filter((path) => !LEFT_OUT.test(path));
console.log(`${mutants.length} mutants, ${tests.length} files of tests`);
const verdicts = await runMutants(copy.dir, mutants, [...new Set(tests)], Number(values.jobs), showReach);
report(verdicts);
copy.remove();

/** Puts mutants into the copies of a room's sources. */
function plant(room: string, folder: string): readonly Mutant[] {
  const files = globSync(`${folder}/**/*.ts`, { cwd: copy.dir }).sort();
  const found = files.flatMap((file) =>
    findSites(readFileSync(join(copy.dir, file), "utf8")).flatMap((site) =>
      site.options.map((option) => ({ file, site, option })),
    ),
  );
  const taken = Number(values.sample) > 0 ? sample(found, Number(values.sample)) : found;
  console.log(`${room}: ${taken.length} of ${found.length} mutants, in ${files.length} files`);
  const planted: Mutant[] = [];
  for (const [file, own] of Map.groupBy(taken, (one) => one.file)) {
    const source = readFileSync(join(copy.dir, file), "utf8");
    const sites = [...Map.groupBy(own, ({ site }) => site)].map(
      ([site, some]): Site => ({ ...site, options: some.map(({ option }) => option) }),
    );
    const from = relative(join(copy.dir, file, ".."), join(copy.dir, "src/mutation-switch.ts"));
    const made = instrument(file, source, sites, mutants.length, from.startsWith(".") ? from : `./${from}`);
    writeFileSync(join(copy.dir, file), made.code);
    mutants.push(...made.mutants);
    planted.push(...made.mutants);
  }
  return planted;
}

/** As many of the list, chosen by the seed. */
function sample<T>(list: readonly T[], count: number): readonly T[] {
  const keyed = list.map((one) => [random(), one] as const).sort(([a], [b]) => a - b);
  return keyed.slice(0, count).map(([, one]) => one);
}

function showReach(reach: Reach): void {
  for (const [path, why] of reach.failing) console.log(`left out, fails without any mutant: ${path}, ${why}`);
  console.log(`${reach.byMutant.size} of ${mutants.length} mutants are reached by a test`);
}

function report(all: ReadonlyMap<Mutant, Verdict>): void {
  const survivors = [...all].filter(([, { type }]) => type === "survived" || type === "unreached");
  for (const [{ file, line, column, before, after }, { type }] of survivors)
    console.log(`${type.padEnd(9)} ${file}:${line}:${column}  ${short(before)}  ->  ${short(after) || "(left out)"}`);
  for (const room of [...chosen, "all"]) {
    const own = [...all]
      .filter(([mutant]) => room === "all" || roomOf.get(mutant) === room)
      .map(([, { type }]) => type);
    const count = (type: Verdict["type"]): number => own.filter((one) => one === type).length;
    const killed = count("killed") + count("timed out");
    const rest = `${count("survived")} survived, ${count("unreached")} reached by no test, ${count("timed out")} timed out`;
    console.log(
      `${room.padEnd(10)} ${((100 * killed) / own.length).toFixed(1)} %  ${killed} of ${own.length} killed; ${rest}`,
    );
  }
}

function short(code: string): string {
  const line = code.replaceAll(/\s+/g, " ");
  return line.length > 80 ? `${line.slice(0, 77)}...` : line;
}
