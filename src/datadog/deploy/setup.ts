import { HEADERS, PAYLOAD, SECRET_VARIABLE } from "../../breaker/template.ts";
import { METRICS, type MetricName } from "../../core/names.ts";
import { datadogUnit } from "../metric-units.ts";
import { refusalOf } from "../rest/refusal.ts";
import type { Remote } from "./remote.ts";
import { hasProcess, planIndex } from "./tag-index.ts";
import { lacking, type Task } from "./task.ts";
import { isSame, pickLike } from "./units.ts";
import { type Body, namesOf } from "./wanted.ts";

export interface SetupOptions {
  readonly prefix: string;
  /** Where the breaker receives webhooks; undefined leaves the address of an existing one. */
  readonly webhookUrl: string | undefined;
  /** Undefined without a webhook. */
  readonly webhook: boolean;
  readonly secret: string | undefined;
  readonly rotate: boolean;
  readonly overwrite: boolean;
  /** Tags that stay in the index of every metric. */
  readonly index: readonly string[];
  /** Metrics that some asset groups or filters by the process. */
  readonly byProcess: ReadonlySet<string>;
}

/** Metrics with points in the past: days of a bill. */
export const HISTORICAL = [METRICS.billedCost.name];

const nothing = async (): Promise<void> => {};

/** Plans the tasks for the webhook, its secret and the metrics. @throws the client's errors */
export async function planSetup(remote: Remote, options: SetupOptions): Promise<readonly Task[]> {
  const tasks: Task[] = [];
  if (options.webhook) tasks.push(await planVariable(remote, options), await planWebhook(remote, options));
  for (const metric of Object.values(METRICS)) {
    const plan = (): Promise<Task> => planMetadata(remote, metric, options.overwrite);
    tasks.push(await optional(`metadata ${metric.name}`, "metrics_metadata_write", plan));
  }
  for (const metric of Object.values(METRICS).filter(hasProcess)) {
    const plan = (): Promise<Task> => planIndex(remote, metric, options);
    tasks.push(await optional(`index ${metric.name}`, "metric_tags_write", plan));
  }
  for (const metric of HISTORICAL) {
    const plan = (): Promise<Task> => planHistorical(remote, metric);
    tasks.push(await optional(`historical ingestion ${metric}`, "metric_tags_write", plan));
  }
  return tasks;
}

/** A task that is left out where the keys may not even read what it is about. */
async function optional(name: string, permission: string, plan: () => Promise<Task>): Promise<Task> {
  try {
    return { ...(await plan()), permission };
  } catch (error) {
    const { status, message } = refusalOf(error);
    if (status !== 403) throw error;
    return { name, action: "skip", detail: lacking(permission, message), run: nothing };
  }
}

async function planVariable(remote: Remote, { prefix, secret, rotate }: SetupOptions): Promise<Task> {
  const { variable } = namesOf(prefix);
  const name = `secret ${variable}`;
  const there = await remote.hasVariable(variable);
  if (there && !rotate) return { name, action: "keep", detail: "exists; --rotate-secret replaces it", run: nothing };
  if (!secret) {
    const detail = `set ${SECRET_VARIABLE} to a secret of 16 characters or more, the same as the breaker's, or use --no-webhook`;
    return { name, action: "fail", detail, run: nothing };
  }
  const run = (): Promise<void> => remote.putVariable(variable, secret, there);
  return { name, action: there ? "update" : "create", detail: "hidden from view", run };
}

async function planWebhook(remote: Remote, { prefix, webhookUrl, overwrite }: SetupOptions): Promise<Task> {
  const { webhook, variable } = namesOf(prefix);
  const name = `webhook ${webhook}`;
  const there = await remote.webhook(webhook);
  if (there === undefined && webhookUrl === undefined) {
    const detail =
      "say where the breaker takes webhooks: --webhook-url https://YOUR-BREAKER/webhooks/datadog, or --no-webhook";
    return { name, action: "fail", detail, run: nothing };
  }
  if (there !== undefined && !isOurs(there)) {
    const detail = "exists and is not managed by spendfuse: choose another name with --prefix, or delete it";
    return { name, action: "fail", detail, run: nothing };
  }
  const url = webhookUrl ?? there?.url;
  const body: Body = {
    url,
    payload: PAYLOAD,
    custom_headers: HEADERS.replace(SECRET_VARIABLE, variable),
    encode_as: "json",
  };
  if (there === undefined)
    return { name, action: "create", detail: `to ${host(url)}`, run: () => remote.putWebhook(webhook, body, false) };
  const wanted = overwrite
    ? body
    : { ...body, ...(pickLike(there, { payload: 1, custom_headers: 1, encode_as: 1 }) as Body) };
  if (isSame(pickLike(there, wanted), wanted)) return { name, action: "keep", detail: `to ${host(url)}`, run: nothing };
  return { name, action: "update", detail: `to ${host(url)}`, run: () => remote.putWebhook(webhook, wanted, true) };
}

/** Webhooks have no tags: ours are recognised by their payload. */
export function isOurs({ payload }: Body): boolean {
  return typeof payload === "string" && /"v"\s*:\s*1\b/.test(payload) && payload.includes("$ALERT_CYCLE_KEY");
}

/** An address may hold a user and a password. */
function host(url: unknown): string {
  return URL.parse(String(url))?.host ?? "an address that is none";
}

async function planMetadata(remote: Remote, metric: MetricName, overwrite: boolean): Promise<Task> {
  const name = `metadata ${metric.name}`;
  const there = await remote.metadata(metric.name);
  if (there === undefined)
    return { name, action: "wait", detail: "comes with its first point: run this again then", run: nothing };
  const unit = datadogUnit(metric.unit);
  const ours: Body = {
    type: metric.kind === "counter" ? "count" : "gauge",
    description: metric.description,
    short_name: metric.name.replace(/^spendfuse\./, "").replaceAll(/[._]/g, " "),
    ...(unit !== undefined && { unit }),
  };
  // A text that a user wrote stays.
  const edits = overwrite
    ? {}
    : Object.fromEntries(["description", "short_name"].flatMap((key) => (there[key] ? [[key, there[key]]] : [])));
  const wanted = { ...ours, ...edits };
  if (isSame(pickLike(there, wanted), wanted)) return { name, action: "keep", detail: "as it is", run: nothing };
  const detail = `${wanted.type}${unit === undefined ? "" : ` in ${unit}s`}`;
  return { name, action: "update", detail, run: () => remote.putMetadata(metric.name, wanted) };
}

async function planHistorical(remote: Remote, metric: string): Promise<Task> {
  const name = `historical ingestion ${metric}`;
  if (await remote.isHistorical(metric)) return { name, action: "keep", detail: "is on", run: nothing };
  const detail = "on: days of a bill come late; Datadog counts such points as indexed metrics";
  return { name, action: "create", detail, run: () => remote.setHistorical(metric, true) };
}
