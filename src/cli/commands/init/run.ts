import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { readConfig } from "../../../config/config.ts";
import { FILE } from "../../../config/file.ts";
import type { ConfigFile } from "../../../core/config-types.ts";
import { usage } from "../command.ts";
import { DEFAULT_CAP_USD, type Values } from "../init.ts";
import { type Manifest, startCommand } from "./start-command.ts";

/** What the file is made of. */
interface Answers {
  /** USD of each agent an hour; 0 for no cap. */
  readonly usd: number;
  readonly enforce: boolean;
  readonly store: string;
}

/** Writes the file in the working directory. Resolves to the exit code. */
export async function run(values: Values): Promise<number> {
  if (existsSync(FILE) && values.force !== true) throw usage(`${FILE} is there already: --force replaces it`);
  const answers = await readAnswers(values);
  const config = writeConfig(answers);
  // A wrong store must be found here and not when the app starts.
  readConfig({}, { SPENDFUSE_CONFIG: JSON.stringify(config) }, () => {}, true);
  writeFileSync(FILE, `${JSON.stringify(config, null, 2)}\n`);
  const cap = answers.usd === 0 ? "no cap" : `$${answers.usd} an hour for each agent, ${effectOf(answers)}`;
  console.log(`${FILE}: ${cap}, store ${answers.store}

Start the app:  ${startCommand(readManifest())}
What it spends: a table on stderr at its end; live with npx spendfuse top --listen
What is metered, and what is not:  npx spendfuse doctor`);
  return 0;
}

function effectOf({ enforce }: Answers): string {
  return enforce ? "above which calls are refused" : 'told but not refused ("mode": "shadow")';
}

async function readAnswers(values: Values): Promise<Answers> {
  const { usd, enforce, store } = values;
  const asks = values.yes !== true && (usd === undefined || store === undefined);
  if (!asks) return answersOf(usd ?? DEFAULT_CAP_USD, enforce === true, store ?? "memory");
  if (!process.stdin.isTTY) throw usage("there is no terminal to ask on: --yes takes what is proposed");
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const ask = async (question: string, proposed: string): Promise<string> =>
    (await terminal.question(`${question} [${proposed}] `)).trim() || proposed;
  try {
    const cap = usd ?? (await ask("Cap of each agent, in USD an hour; 0 for none", DEFAULT_CAP_USD));
    const refuses =
      enforce ?? (Number(cap) !== 0 && /^y/i.test(await ask("Refuse calls above it, or only record them? y/n", "n")));
    const where = store ?? (await ask("Who shares it: memory, file:PATH or redis://HOST:PORT", "memory"));
    return answersOf(cap, refuses, where);
  } finally {
    terminal.close();
  }
}

function answersOf(usd: string, enforce: boolean, store: string): Answers {
  const amount = Number(usd.replace(/^\$/, ""));
  if (!Number.isFinite(amount) || amount < 0) throw usage(`the cap must be an amount of USD such as 20, not "${usd}"`);
  return { usd: amount, enforce, store };
}

function writeConfig({ usd, enforce, store }: Answers): ConfigFile & { readonly $schema: string } {
  const cap = { name: "agent hour", scope: { agent: "*" }, per: "hour", usd, warnAt: 0.8 };
  return {
    $schema: "./node_modules/spendfuse/config.schema.json",
    ...(usd > 0 && { budgets: [cap], mode: enforce ? "enforce" : "shadow" }),
    ...(store !== "memory" && { store }),
  };
}

/** Empty where there is no package.json that can be read. */
function readManifest(): Manifest {
  try {
    return JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
  } catch {
    return {};
  }
}
