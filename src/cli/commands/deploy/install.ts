import { SpendfuseError } from "../../../core/errors.ts";
import { type Outcome, runSteps, runTasks, type Tell } from "../../../datadog/deploy/apply.ts";
import { describeStep, differencesOf } from "../../../datadog/deploy/diff.ts";
import { idsOf, type Places, withLinks } from "../../../datadog/deploy/links.ts";
import { type Found, planSteps, type Step } from "../../../datadog/deploy/plan.ts";
import type { Remote } from "../../../datadog/deploy/remote.ts";
import { planSetup, type SetupOptions } from "../../../datadog/deploy/setup.ts";
import type { Task } from "../../../datadog/deploy/task.ts";
import type { Wanted } from "../../../datadog/deploy/wanted.ts";
import { refusalOf } from "../../../datadog/rest/refusal.ts";

export interface InstallOptions {
  /** Whether only the plan is shown. */
  readonly dry: boolean;
  readonly json: boolean;
  readonly slug: string;
  readonly overwrite: boolean;
  /** Whether 2 means that there was something to do, and 0 nothing. */
  readonly detailedExitCode: boolean;
  /** The dashboards that messages may link to. */
  readonly boards: Places["boards"];
  readonly setup: SetupOptions;
}

/** Plans, and applies the plan. Returns the exit code. */
export async function install(wanted: readonly Wanted[], remote: Remote, options: InstallOptions): Promise<number> {
  const { dry, json } = options;
  const { tasks, steps, found } = await ask(wanted, remote, options);
  const open = [...tasks, ...steps].some(({ action }) => action === "create" || action === "update");
  const code = open && options.detailedExitCode ? CHANGES : 0;
  if (dry) {
    if (json) console.log(JSON.stringify(planJson(tasks, steps)));
    else showPlan(tasks, steps);
    return tasks.some(({ action }) => action === "fail") ? 1 : code;
  }
  const outcomes: Outcome[] = [];
  const count = tasks.length + steps.length;
  const tell: Tell = (outcome) => {
    outcomes.push(outcome);
    if (!json) console.log(`${progress(outcomes.length, count)} ${describe(outcome)}`);
  };
  await runTasks(tasks, tell);
  const [boards, monitors] = split(steps);
  const made = await runSteps(boards, remote, tell);
  // Their messages link to the dashboards that were just made.
  const linked = made.size === 0 ? monitors : split(plan(wanted, found, remote, options, made))[1];
  await runSteps(linked, remote, tell);
  if (json) console.log(JSON.stringify({ outcomes }));
  else console.log(`\n${summarize(outcomes)}`);
  return outcomes.some(({ done }) => done === "failed") ? 1 : code;
}

const CHANGES = 2;

async function ask(wanted: readonly Wanted[], remote: Remote, options: InstallOptions) {
  try {
    const found = await remote.find();
    return { found, steps: plan(wanted, found, remote, options), tasks: await planSetup(remote, options.setup) };
  } catch (error) {
    throw new SpendfuseError("SPENDFUSE_DATADOG", `Datadog cannot be read: ${refusalOf(error).message}`, {}, error);
  }
}

/** @param made Dashboards made since, by key. */
function plan(
  wanted: readonly Wanted[],
  found: readonly Found[],
  { app }: Remote,
  { slug, overwrite, boards }: InstallOptions,
  made: ReadonlyMap<string, string> = new Map(),
): readonly Step[] {
  const places = { app, boards, ids: new Map([...idsOf(found), ...made]) };
  return planSteps(
    wanted.map((one) => withLinks(one, places)),
    found,
    { slug, overwrite },
  );
}

/** Dashboards, and the rest. */
function split(steps: readonly Step[]): readonly [readonly Step[], readonly Step[]] {
  const isBoard = (step: Step): boolean => (step.action === "leave" ? step.found : step.wanted).kind === "dashboard";
  return [steps.filter(isBoard), steps.filter((step) => !isBoard(step))];
}

function showPlan(tasks: readonly Task[], steps: readonly Step[]): void {
  const signs = { create: "+", update: "~", keep: "=", wait: "…", skip: "-", fail: "✗" } as const;
  for (const { name, action, detail } of tasks) console.log(`${signs[action]} ${name}: ${detail}`);
  for (const step of steps) for (const line of describeStep(step)) console.log(line);
  const changes = [...tasks, ...steps].filter(({ action }) => action === "create" || action === "update").length;
  console.log(
    `\n${changes} to change, ${tasks.length + steps.length - changes} to leave as they are; nothing was done`,
  );
}

function planJson(tasks: readonly Task[], steps: readonly Step[]): object {
  return {
    tasks: tasks.map(({ name, action, detail }) => ({ name, action, detail })),
    steps: steps.map((step) => {
      if (step.action === "leave") return { action: step.action, kind: step.found.kind, key: step.key };
      const { kind, key } = step.wanted;
      const changes = step.action === "update" ? step.changes.flatMap((change) => differencesOf(change)) : [];
      return { action: step.action, kind, key, changes, kept: step.action === "create" ? [] : step.kept };
    }),
  };
}

export function progress(done: number, count: number): string {
  const width = String(count).length;
  return `[${String(done).padStart(width)}/${count}]`;
}

export function describe({ name, done, detail, url }: Outcome): string {
  const sign = done === "failed" ? "✗" : done === "kept" || done === "waiting" || done === "skipped" ? "=" : "✓";
  return `${sign} ${name}: ${[done, detail, url].filter(Boolean).join(", ")}`;
}

export function summarize(outcomes: readonly Outcome[]): string {
  const counts = new Map<string, number>();
  for (const { done } of outcomes) counts.set(done, (counts.get(done) ?? 0) + 1);
  const line = [...counts].map(([done, count]) => `${count} ${done}`).join(", ");
  if (counts.has("failed")) return `${line}. Fix that and run it again to continue.`;
  return counts.has("waiting") ? `${line}. Run it again when metrics have come, to give them their units.` : `${line}.`;
}
