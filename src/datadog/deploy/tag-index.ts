import { METRICS, type MetricName } from "../../core/names.ts";
import type { Asset } from "../assets.ts";
import { queriesOf } from "../queries.ts";
import { leavesOf } from "../query/filter.ts";
import type { Remote } from "./remote.ts";
import type { Task } from "./task.ts";
import type { Body } from "./wanted.ts";

/** The tag that tells processes apart, so that Datadog adds their points up. It multiplies what is indexed. */
export const PROCESS = "process";

export function hasProcess({ attributes }: MetricName): boolean {
  return (attributes as readonly string[]).includes(PROCESS);
}

/** Our metrics that some asset groups or filters by the process. */
export function metricsByProcess(assets: readonly Asset[]): ReadonlySet<string> {
  const queries = assets.flatMap(queriesOf).flatMap(({ metrics }) => metrics);
  const used = queries.filter(
    ({ by, filter }) =>
      by.includes(PROCESS) || leavesOf(filter).some((leaf) => (leaf.type === "tag" ? leaf.key : leaf.name) === PROCESS),
  );
  const names = new Set(used.map(({ metric }) => metric));
  return new Set(Object.values(METRICS).flatMap(({ name }) => (names.has(name) ? [name] : [])));
}

/** Plans to leave the process out of a metric's index, or to take it in again. A user's own configuration stays. */
export async function planIndex(
  remote: Remote,
  metric: MetricName,
  { index, byProcess }: { readonly index: readonly string[]; readonly byProcess: ReadonlySet<string> },
): Promise<Task> {
  const name = `index ${metric.name}`;
  const task = (action: Task["action"], detail: string, run: Task["run"] = async () => {}): Task => {
    return { name, action, detail, run };
  };
  const there = await remote.tagConfiguration(metric.name);
  const keeps = index.includes(PROCESS) || byProcess.has(metric.name);
  const excluded = there?.exclude_tags_mode === true ? tagsOf(there) : undefined;
  if (keeps) {
    const why = index.includes(PROCESS) ? "as --index says" : "an asset groups by it";
    if (!excluded?.includes(PROCESS)) return task("keep", `${PROCESS} stays, ${why}`);
    return task("update", `${PROCESS} is indexed again, ${why}`, () => includeProcess(remote, metric.name, excluded));
  }
  if (there === undefined) {
    if ((await remote.metadata(metric.name)) === undefined)
      return task("wait", "comes with its first point: run this again then");
    const attributes = { ...typeOf(metric), tags: [PROCESS], exclude_tags_mode: true };
    const run = (): Promise<void> => remote.putTagConfiguration(metric.name, attributes, false);
    return task("create", `without ${PROCESS}, which no asset groups by; --index ${PROCESS} keeps it`, run);
  }
  if (excluded === undefined) return task("keep", "has a list of tags of your own, which stays");
  if (excluded.includes(PROCESS)) return task("keep", `without ${PROCESS}`);
  const attributes = { tags: [...excluded, PROCESS], exclude_tags_mode: true };
  return task("update", `without ${PROCESS}`, () => remote.putTagConfiguration(metric.name, attributes, true));
}

/** Whether a configuration is the one that deploy makes, and nobody has changed it. */
export function isOurIndex(configuration: Body | undefined): boolean {
  return configuration?.exclude_tags_mode === true && tagsOf(configuration).join() === PROCESS;
}

function includeProcess(remote: Remote, metric: string, excluded: readonly string[]): Promise<void> {
  const tags = excluded.filter((tag) => tag !== PROCESS);
  if (tags.length === 0) return remote.deleteTagConfiguration(metric);
  return remote.putTagConfiguration(metric, { tags, exclude_tags_mode: true }, true);
}

function typeOf({ kind }: MetricName): Body {
  return { metric_type: kind === "counter" ? "count" : "gauge" };
}

function tagsOf({ tags }: Body): readonly string[] {
  return Array.isArray(tags) ? (tags as readonly string[]) : [];
}
