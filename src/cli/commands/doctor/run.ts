import { statSync } from "node:fs";
import { resolve } from "node:path";
import { readEnvironment } from "../../../config/config.ts";
import { gatherFacts } from "../../../doctor/facts.ts";
import { summarise, toJson, toText } from "../../../doctor/forms.ts";
import { askAll } from "../../../doctor/question.ts";
import { examine, questionsOf } from "../../../doctor/run-checks.ts";
import { VERSION } from "../../../package/version.ts";
import { createStyle } from "../../../terminal/style.ts";
import { usage } from "../command.ts";
import type { Values } from "../doctor.ts";

/** Examines the folder and prints the findings. Resolves to the exit code. */
export async function run({ dir = ".", offline, json }: Values): Promise<number> {
  const folder = resolve(dir);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw usage(`--dir: there is no folder ${folder}`);
  // Configuration, stores and packages are found from the working directory, as the app finds them.
  process.chdir(folder);
  const facts = gatherFacts(process.cwd(), readEnvironment());
  const answers = await askAll(offline ? [] : questionsOf(facts));
  const summary = summarise(examine(facts, answers));
  if (!json) console.log(`spendfuse doctor ${VERSION}: ${folder}`);
  for (const line of json ? toJson(summary) : toText(summary, createStyle(process.stdout))) console.log(line);
  return summary.ok ? 0 : 1;
}
