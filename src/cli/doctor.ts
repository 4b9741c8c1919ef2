import { statSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { readEnvironment } from "../config/config.ts";
import { gatherFacts } from "../doctor/facts.ts";
import { summarise, toJson, toText } from "../doctor/forms.ts";
import { askAll } from "../doctor/question.ts";
import { examine, isLookedAt, questionsOf } from "../doctor/run-checks.ts";
import { VERSION } from "../package/version.ts";
import { runCommand, usage } from "../terminal/command.ts";
import { createStyle } from "../terminal/style.ts";

const HELP = `spendfuse doctor: looks at an app and says what of it is metered, what is not, and what is wrong, with the fix.

  spendfuse doctor                  in the app's folder, with the environment it runs in

  --dir PATH     another folder
  --offline      asks no network
  --json         { findings, faults, notes, ok }; a finding is { group, id, level, subject, says, fix? }

It reads package.json and what is installed, the app's own sources, how it is started (scripts, Procfile, Dockerfile,
compose, pm2), the configuration, and .env. It asks only what the configuration names: the OTLP endpoint, with an empty
export; Datadog and the vendors, whether they take your keys; the store; the breaker. 3 seconds each, at once. Nothing of
the app's own is run or changed, no key is shown; a Redis store is asked through the app's own redis package.

A fault is what is broken and can be mended: spendfuse is not loaded, a key is rejected, an address does not answer.
A note is a blind spot, a choice or a doubt: the app runs, and the line says what would change it.

The exit code is 0 without a fault, 1 with one, 2 for a wrong call.`;

const OPTIONS = {
  dir: { type: "string" },
  offline: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof readValues>;

/** Runs `spendfuse doctor`. */
export function doctor(args: string[]): Promise<number> {
  return runCommand({ name: "doctor", help: HELP, read: readValues, run }, args);
}

function readValues(args: string[]) {
  return parseArgs({ args, options: OPTIONS }).values;
}

async function run({ dir = ".", offline, json }: Values): Promise<number> {
  const folder = resolve(dir);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw usage(`--dir: there is no folder ${folder}`);
  // Configuration, stores and packages are found from the working directory, as the app finds them.
  process.chdir(folder);
  const facts = gatherFacts(process.cwd(), readEnvironment(), isLookedAt);
  const answers = await askAll(offline ? [] : questionsOf(facts));
  const summary = summarise(examine(facts, answers));
  // Undefined without a terminal; knows NO_COLOR.
  const colour = process.stdout.hasColors?.() === true;
  if (!json) console.log(`spendfuse doctor ${VERSION}: ${folder}`);
  for (const line of json ? toJson(summary) : toText(summary, createStyle(colour))) console.log(line);
  return summary.ok ? 0 : 1;
}
