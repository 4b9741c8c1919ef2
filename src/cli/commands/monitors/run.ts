import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { SpendfuseError } from "../../../core/errors.ts";
import { type Asset, readAssets } from "../../../datadog/assets.ts";
import { PACKAGE_ROOT } from "../../../package/root.ts";
import { playScenario, type Scenario, showTime } from "../../../sandbox/scenario.ts";
import { unknownVerb, usage } from "../command.ts";
import type { Values } from "../monitors.ts";

/** One file of scenarios. */
interface ScenarioFile {
  readonly monitor: string;
  readonly scenarios: readonly Scenario[];
}

interface Result {
  readonly monitor: string;
  readonly name: string;
  readonly faults: readonly string[];
  readonly happened: readonly string[];
}

/** Plays the scenarios and prints mismatches. Resolves to the exit code. */
export async function run(values: Values, [verb, ...files]: readonly string[]): Promise<number> {
  if (verb !== "test")
    throw verb === undefined
      ? usage("a subcommand is missing: use monitors test")
      : unknownVerb("monitors", verb, ["test"]);
  const known = monitorsOf(values.monitors);
  const named = files.length > 0 ? files : scenarioFiles(values.scenarios);
  const results: Result[] = [];
  for (const file of named) results.push(...(await playFile(file, known)));
  if (values.json) console.log(JSON.stringify({ results }));
  else print(results, known);
  return results.some(({ faults }) => faults.length > 0) || results.length === 0 ? 1 : 0;
}

function monitorsOf(folder: string | undefined): ReadonlyMap<string, Asset> {
  // The monitors folder itself is accepted as well.
  const above = folder !== undefined && basename(folder) === "monitors" ? join(folder, "..") : folder;
  const found = readAssets(above).filter(({ kind }) => kind === "monitor");
  if (found.length === 0)
    throw new SpendfuseError(
      "SPENDFUSE_USAGE",
      `there are no monitors in ${folder}: name a folder that holds monitors/*.json`,
    );
  return new Map(found.map((asset) => [asset.name, asset]));
}

function scenarioFiles(folder: string = join(PACKAGE_ROOT, "scenarios")): readonly string[] {
  if (!existsSync(folder))
    throw new SpendfuseError(
      "SPENDFUSE_USAGE",
      `there is no folder ${folder}: name one that holds scenarios, with --scenarios`,
    );
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  if (names.length === 0)
    throw new SpendfuseError(
      "SPENDFUSE_USAGE",
      `there are no scenario files in ${folder}: name a folder with *.json in --scenarios`,
    );
  return names.sort().map((name) => join(folder, name));
}

async function playFile(file: string, known: ReadonlyMap<string, Asset>): Promise<readonly Result[]> {
  const { monitor: name, scenarios } = readScenarios(file);
  const monitor = known.get(name);
  if (monitor === undefined) {
    const names = [...known.keys()].join(", ");
    throw new SpendfuseError("SPENDFUSE_USAGE", `${file}: there is no monitor "${name}". There are: ${names}`);
  }
  const results: Result[] = [];
  for (const scenario of scenarios) {
    const { faults, happened } = await playScenario(monitor.json, scenario);
    const lines = happened.map(({ at, group, transition, webhooks, value }) => {
      const figure = value === undefined ? "" : ` (${Number(value.toPrecision(6))})`;
      return `${showTime(at)} ${group} ${transition}${figure}${webhooks.map((hook) => `, webhook ${hook}`).join("")}`;
    });
    results.push({ monitor: name, name: scenario.name, faults, happened: lines });
  }
  return results;
}

function readScenarios(file: string): ScenarioFile {
  const fault = (why: string, cause?: unknown): SpendfuseError =>
    new SpendfuseError("SPENDFUSE_USAGE", `${file}: ${why}`, { file }, cause);
  let read: Partial<ScenarioFile>;
  try {
    read = JSON.parse(readFileSync(file, "utf8")) as Partial<ScenarioFile>;
  } catch (cause) {
    throw fault(`${(cause as Error).message}: it must be a readable JSON file`, cause);
  }
  const { monitor, scenarios } = read;
  if (typeof monitor !== "string" || !Array.isArray(scenarios))
    throw fault('needs "monitor", a name, and "scenarios", a list');
  for (const { name, feed, until, expect } of scenarios as Partial<Scenario>[])
    if (typeof name !== "string" || !Array.isArray(feed) || typeof until !== "string" || !Array.isArray(expect))
      throw fault(`the scenario ${JSON.stringify(name)} needs "name", "feed", "until" and "expect"`);
  return { monitor, scenarios: scenarios as readonly Scenario[] };
}

function print(results: readonly Result[], known: ReadonlyMap<string, Asset>): void {
  const names = [...new Set(results.map(({ monitor }) => monitor))];
  const width = Math.max(...names.map((name) => name.length)) + 2;
  for (const name of names) {
    const own = results.filter(({ monitor }) => monitor === name);
    const right = own.filter(({ faults }) => faults.length === 0).length;
    console.log(`${right === own.length ? "✓" : "✗"} ${name.padEnd(width)}${right} of ${own.length}`);
    for (const { name: what, faults, happened } of own) {
      if (faults.length === 0) continue;
      console.log(`    ${what}`);
      for (const fault of faults) console.log(`      ${fault}`);
      console.log(`      happened: ${happened.join("; ") || "nothing"}`);
    }
  }
  const right = results.filter(({ faults }) => faults.length === 0).length;
  console.log(`\n${right} of ${results.length} scenarios`);
  const without = [...known.keys()].filter((name) => !names.includes(name));
  if (without.length > 0) console.log(`without a scenario: ${without.join(", ")}`);
}
