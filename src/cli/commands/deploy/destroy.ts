import { createInterface } from "node:readline/promises";
import { SpendfuseError } from "../../../core/errors.ts";
import { METRICS } from "../../../core/names.ts";
import { type Outcome, runDestroy } from "../../../datadog/deploy/apply.ts";
import { readMark } from "../../../datadog/deploy/mark.ts";
import { type Found, isUnder } from "../../../datadog/deploy/plan.ts";
import type { Remote } from "../../../datadog/deploy/remote.ts";
import { HISTORICAL, isOurs } from "../../../datadog/deploy/setup.ts";
import { hasProcess, isOurIndex } from "../../../datadog/deploy/tag-index.ts";
import type { Task } from "../../../datadog/deploy/task.ts";
import { namesOf } from "../../../datadog/deploy/wanted.ts";
import { refusalOf } from "../../../datadog/rest/refusal.ts";
import { describe, progress, summarize } from "./install.ts";

export interface DestroyOptions {
  readonly prefix: string;
  readonly slug: string;
  /** Keys; everything when absent. */
  readonly only: readonly string[] | undefined;
  readonly yes: boolean;
  readonly json: boolean;
}

/** Deletes the managed resources under a prefix. Returns the exit code. */
export async function destroy(remote: Remote, options: DestroyOptions): Promise<number> {
  const { json, only } = options;
  const { found, tasks } = await ask(remote, options);
  const names = [
    ...found.map((one) => `${one.kind} ${readMark(one.kind, one.body)?.key}: ${one.body.name ?? one.body.title}`),
    ...tasks.map(({ name }) => name),
  ];
  if (names.length === 0) {
    console.log(
      json ? JSON.stringify({ outcomes: [] }) : `nothing to delete${only ? ` under ${only.join(", ")}` : ""}`,
    );
    return 0;
  }
  if (!json) for (const name of names) console.log(`- ${name}`);
  if (!options.yes && !(await confirm(names.length))) {
    console.error("nothing was deleted");
    return 1;
  }
  const outcomes: Outcome[] = [];
  await runDestroy(found, tasks, remote, (outcome) => {
    outcomes.push(outcome);
    if (!json) console.log(`${progress(outcomes.length, names.length)} ${describe(outcome)}`);
  });
  console.log(json ? JSON.stringify({ outcomes }) : `\n${summarize(outcomes)}`);
  return outcomes.some(({ done }) => done === "failed") ? 1 : 0;
}

async function ask(remote: Remote, { prefix, slug, only }: DestroyOptions) {
  try {
    const found = (await remote.find()).filter((one): one is Found => {
      const key = readMark(one.kind, one.body)?.key;
      return key !== undefined && isUnder(key, slug) && (only === undefined || only.includes(key));
    });
    return { found, tasks: only === undefined ? await setupTasks(remote, prefix) : [] };
  } catch (error) {
    throw new SpendfuseError("SPENDFUSE_DATADOG", `Datadog cannot be read: ${refusalOf(error).message}`, {}, error);
  }
}

async function setupTasks(remote: Remote, prefix: string): Promise<readonly Task[]> {
  const { webhook, variable } = namesOf(prefix);
  const tasks: Task[] = [];
  const add = (name: string, run: () => Promise<void>): void =>
    void tasks.push({ name, action: "update", detail: "", run });
  const there = await remote.webhook(webhook);
  if (there !== undefined && isOurs(there)) add(`webhook ${webhook}`, () => remote.deleteWebhook(webhook));
  if (await remote.hasVariable(variable)) add(`secret ${variable}`, () => remote.deleteVariable(variable));
  // Metric metadata is shared by all installations.
  if (prefix === "")
    for (const metric of HISTORICAL)
      if (await remote.isHistorical(metric))
        add(`historical ingestion ${metric}`, () => remote.setHistorical(metric, false));
  if (prefix === "")
    for (const { name } of Object.values(METRICS).filter(hasProcess))
      if (isOurIndex(await remote.tagConfiguration(name)))
        add(`index ${name}`, () => remote.deleteTagConfiguration(name));
  return tasks;
}

async function confirm(count: number): Promise<boolean> {
  if (!process.stdin.isTTY) {
    console.error("spendfuse deploy --destroy: no terminal to confirm on; pass --yes");
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`Delete these ${count}? Write yes: `);
  terminal.close();
  return answer.trim() === "yes";
}
