import { type Refusal, refusalOf } from "../rest/refusal.ts";
import { readMark } from "./mark.ts";
import type { Found, Step } from "./plan.ts";
import type { Remote } from "./remote.ts";
import { lacking, type Task } from "./task.ts";

/** The result of one step. */
export interface Outcome {
  readonly name: string;
  readonly done: "created" | "updated" | "deleted" | "kept" | "waiting" | "skipped" | "failed";
  readonly detail: string;
  readonly url?: string;
}

export type Tell = (outcome: Outcome) => void;

/** Runs the tasks one after another. A failure does not stop the others. */
export async function runTasks(tasks: readonly Task[], tell: Tell): Promise<void> {
  for (const task of tasks) {
    const { name, detail } = task;
    const still = STILL[task.action];
    if (still === undefined) await attempt(name, tell, () => runTask(task));
    else tell({ name, done: still, detail });
  }
}

/** What becomes of tasks that do nothing. */
const STILL: Partial<Record<Task["action"], Outcome["done"]>> = {
  fail: "failed",
  keep: "kept",
  wait: "waiting",
  skip: "skipped",
};

async function runTask({ name, action, detail, permission, run }: Task): Promise<Outcome> {
  try {
    await run();
  } catch (error) {
    const { status, message } = refusalOf(error);
    if (status !== 403 || permission === undefined) throw error;
    return { name, done: "skipped", detail: lacking(permission, message) };
  }
  return { name, done: action === "create" ? "created" : "updated", detail };
}

/**
 * Runs the steps. Monitors are validated by Datadog before the first of them is created or changed. Resolves to the ids
 * of what was created, by key.
 */
export async function runSteps(
  steps: readonly Step[],
  remote: Remote,
  tell: Tell,
): Promise<ReadonlyMap<string, string>> {
  const made = new Map<string, string>();
  const invalid = new Map<Step, Refusal>();
  for (const step of steps) {
    if ((step.action !== "create" && step.action !== "update") || step.wanted.kind !== "monitor") continue;
    try {
      await remote.validate(step.body);
    } catch (error) {
      invalid.set(step, refusalOf(error));
    }
  }
  for (const step of steps) {
    const name = nameOf(step);
    const refusal = invalid.get(step);
    if (refusal !== undefined) tell({ name, done: "failed", detail: `rejected by Datadog: ${refusal.message}` });
    else await attempt(name, tell, () => runStep(step, name, remote, made));
  }
  return made;
}

async function runStep(step: Step, name: string, remote: Remote, made: Map<string, string>): Promise<Outcome> {
  switch (step.action) {
    case "keep":
      return {
        name,
        done: "kept",
        detail: step.kept.length === 0 ? "as it is" : `your edit of ${step.kept.join(", ")} stays`,
      };
    case "leave":
      return { name, done: "kept", detail: "not shipped any more" };
    case "update": {
      await remote.update(step.found, step.body);
      const { kind, id } = step.found;
      return {
        name,
        done: "updated",
        detail: step.changes.map(({ unit }) => unit).join(", "),
        url: remote.urlOf(kind, id),
      };
    }
    default: {
      const { kind, key } = step.wanted;
      const id = await create(step, remote);
      made.set(key, String(id));
      return { name, done: "created", detail: "", url: remote.urlOf(kind, id) };
    }
  }
}

/** A request whose response was lost may have succeeded: the resource is looked for before it is created again. */
async function create(step: Extract<Step, { action: "create" }>, remote: Remote): Promise<string | number> {
  const { kind, key } = step.wanted;
  try {
    return await remote.create(kind, step.body);
  } catch (error) {
    const { status = 0, message } = refusalOf(error);
    if (status < 500 && !/^400 Duplicate/.test(message)) throw error;
    const there = (await remote.find()).find((one) => one.kind === kind && readMark(kind, one.body)?.key === key);
    if (there !== undefined) return there.id;
    if (status < 500) throw error;
    return await remote.create(kind, step.body);
  }
}

/** Deletes managed resources. */
export async function runDestroy(
  found: readonly Found[],
  tasks: readonly Task[],
  remote: Remote,
  tell: Tell,
): Promise<void> {
  for (const one of found) {
    const name = `${one.kind} ${readMark(one.kind, one.body)?.key}`;
    await attempt(name, tell, async () => {
      await remote.delete(one);
      return { name, done: "deleted", detail: "" };
    });
  }
  for (const { name, run } of tasks) {
    await attempt(name, tell, async () => {
      await run();
      return { name, done: "deleted", detail: "" };
    });
  }
}

async function attempt(name: string, tell: Tell, run: () => Promise<Outcome>): Promise<void> {
  try {
    tell(await run());
  } catch (error) {
    tell({ name, done: "failed", detail: refusalOf(error).message });
  }
}

function nameOf(step: Step): string {
  return step.action === "leave" ? `${step.found.kind} ${step.key}` : `${step.wanted.kind} ${step.wanted.key}`;
}
