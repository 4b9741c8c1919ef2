import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { isSpendfuseError, SpendfuseError } from "../core/errors.ts";
import { type Asset, readAssets } from "../datadog/assets.ts";
import { PACKAGE_ROOT } from "../package/root.ts";
import { playScenario, type Scenario, showTime } from "../sandbox/scenario.ts";

const HELP = `spendfuse monitors test: plays scenarios on monitors, offline: spend over simulated time, and what must be said.

  spendfuse monitors test [FILE…]   scenario files; all of --scenarios when none is named

  --monitors DIR    a folder that holds monitors/ (or is it): yours instead of ours
  --scenarios DIR   where the scenario files are; scenarios/ of the package when absent
  --json            machine-readable

A scenario file: { "monitor": "agent_hourly_spend", "scenarios": [{ "name": "…",
  "feed": [{ "tags": { "agent": "a" }, "from": "0m", "until": "40m", "total": 26 }], "until": "2h",
  "expect": [{ "at": "31m", "group": "agent:a", "transition": "Triggered", "webhooks": ["spendfuse"] }] }] }

It is not Datadog: what is known of its behaviour, and what is not, is listed in docs/sandbox.md.
The exit code is 0 when everything is as expected, 1 when not, 2 for a wrong call.`;

const OPTIONS = {
  monitors: { type: "string" },
  scenarios: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

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

/** Runs `spendfuse monitors`. */
export async function monitors(args: string[]): Promise<number> {
  let parsed: ReturnType<typeof read>;
  try {
    parsed = read(args);
  } catch (error) {
    return misuse((error as Error).message);
  }
  const { values, positionals } = parsed;
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const [verb, ...files] = positionals;
  if (verb !== "test") return misuse(verb === undefined ? "say what to do: test" : `there is no "monitors ${verb}"`);
  try {
    const known = monitorsOf(values.monitors);
    const named = files.length > 0 ? files : scenarioFiles(values.scenarios);
    const results: Result[] = [];
    for (const file of named) results.push(...(await playFile(file, known)));
    if (values.json) console.log(JSON.stringify({ results }));
    else print(results, known);
    return results.some(({ faults }) => faults.length > 0) || results.length === 0 ? 1 : 0;
  } catch (error) {
    if (!isSpendfuseError(error)) throw error;
    console.error(`spendfuse monitors: ${error.message}`);
    return 2;
  }
}

function read(args: string[]) {
  return parseArgs({ args, options: OPTIONS, allowPositionals: true });
}

function misuse(why: string): number {
  console.error(`spendfuse monitors: ${why}\n\n${HELP}`);
  return 2;
}

function monitorsOf(folder: string | undefined): ReadonlyMap<string, Asset> {
  // The folder of the monitors itself will do as well.
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
  if (!existsSync(folder)) throw new SpendfuseError("SPENDFUSE_USAGE", `there is no folder ${folder}`);
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  if (names.length === 0) throw new SpendfuseError("SPENDFUSE_USAGE", `there are no scenario files in ${folder}`);
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
    throw fault((cause as Error).message, cause);
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
