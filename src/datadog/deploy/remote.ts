import { refusalOf } from "../rest/refusal.ts";
import type { Rest } from "../rest/rest.ts";
import type { Found } from "./plan.ts";
import { type Body, MANAGED } from "./wanted.ts";

/** The part of a Datadog account that deploy uses: plain API JSON in and out. All reject as the API does. */
export interface Remote {
  /** The address of the web app. */
  readonly app: string;
  /** Our monitors, by tag, and our dashboards, by the mark in their description. */
  find(): Promise<readonly Found[]>;
  validate(monitor: Body): Promise<void>;
  create(kind: Found["kind"], body: Body): Promise<string | number>;
  update(found: Found, body: Body): Promise<void>;
  delete(found: Found): Promise<void>;
  /** Its page in Datadog. */
  urlOf(kind: Found["kind"], id: string | number): string;
  webhook(name: string): Promise<Body | undefined>;
  putWebhook(name: string, body: Body, there: boolean): Promise<void>;
  deleteWebhook(name: string): Promise<void>;
  hasVariable(name: string): Promise<boolean>;
  putVariable(name: string, value: string, there: boolean): Promise<void>;
  deleteVariable(name: string): Promise<void>;
  /** Undefined before the metric's first point. */
  metadata(metric: string): Promise<Body | undefined>;
  putMetadata(metric: string, body: Body): Promise<void>;
  /** Which tags of a metric are indexed; undefined when all are. */
  tagConfiguration(metric: string): Promise<Body | undefined>;
  putTagConfiguration(metric: string, attributes: Body, there: boolean): Promise<void>;
  deleteTagConfiguration(metric: string): Promise<void>;
  isHistorical(metric: string): Promise<boolean>;
  setHistorical(metric: string, on: boolean): Promise<void>;
}

const PAGE = 100;
const MARK = "(spendfuse ";
const PATHS = { monitor: "/api/v1/monitor", dashboard: "/api/v1/dashboard" } as const;
const HOOKS = "/api/v1/integration/webhooks/configuration/webhooks";
const VARIABLES = "/api/v1/integration/webhooks/configuration/custom-variables";
const HISTORICAL = "/api/v2/metrics/historical-metrics-configurations";

const encode = encodeURIComponent;
const metadataPath = (metric: string): string => `/api/v1/metrics/${encode(metric)}`;
const tagsPath = (metric: string): string => `/api/v2/metrics/${encode(metric)}/tags`;

export function createRemote(rest: Rest): Remote {
  const { app } = rest;
  const remove = (path: string): Promise<void> => ignoreMissing(rest.ask("DELETE", path));
  const read = async (path: string): Promise<Body | undefined> =>
    (await orUndefined(rest.ask("GET", path))) as Body | undefined;
  return {
    app,
    find: async () => [...(await findMonitors(rest)), ...(await findDashboards(rest))],
    async validate(monitor) {
      await rest.ask("POST", `${PATHS.monitor}/validate`, monitor);
    },
    async create(kind, body) {
      const { id } = (await rest.ask("POST", PATHS[kind], body)) as { readonly id: string | number };
      return id;
    },
    async update({ kind, id }, body) {
      await rest.ask("PUT", `${PATHS[kind]}/${id}`, body);
    },
    delete: ({ kind, id }) => remove(`${PATHS[kind]}/${id}`),
    urlOf: (kind, id) => (kind === "monitor" ? `${app}/monitors/${id}` : `${app}/dashboard/${id}`),
    webhook: (name) => read(`${HOOKS}/${encode(name)}`),
    async putWebhook(name, body, there) {
      if (there) await rest.ask("PUT", `${HOOKS}/${encode(name)}`, body);
      else await rest.ask("POST", HOOKS, { ...body, name });
    },
    deleteWebhook: (name) => remove(`${HOOKS}/${encode(name)}`),
    hasVariable: async (name) => (await read(`${VARIABLES}/${encode(name)}`)) !== undefined,
    async putVariable(name, value, there) {
      const body = { name, value, is_secret: true };
      if (there) await rest.ask("PUT", `${VARIABLES}/${encode(name)}`, body);
      else await rest.ask("POST", VARIABLES, body);
    },
    deleteVariable: (name) => remove(`${VARIABLES}/${encode(name)}`),
    metadata: (metric) => read(metadataPath(metric)),
    async putMetadata(metric, body) {
      await rest.ask("PUT", metadataPath(metric), body);
    },
    async tagConfiguration(metric) {
      const found = (await read(tagsPath(metric))) as { readonly data?: { readonly attributes?: Body } } | undefined;
      return found?.data?.attributes;
    },
    async putTagConfiguration(metric, attributes, there) {
      const data = { type: "manage_tags", id: metric, attributes };
      await rest.ask(there ? "PATCH" : "POST", tagsPath(metric), { data });
    },
    deleteTagConfiguration: (metric) => remove(tagsPath(metric)),
    isHistorical: async (metric) => (await read(`${HISTORICAL}/${encode(metric)}`)) !== undefined,
    async setHistorical(metric, on) {
      if (!on) return remove(`${HISTORICAL}/${encode(metric)}`);
      await rest.ask("POST", HISTORICAL, { data: { id: metric, type: "historical_metrics_configurations" } });
    },
  };
}

async function findMonitors(rest: Rest): Promise<Found[]> {
  const found: Found[] = [];
  for (let page = 0; ; page += 1) {
    const query = new URLSearchParams({ monitor_tags: MANAGED, page: String(page), page_size: String(PAGE) });
    const list = (await rest.ask("GET", `${PATHS.monitor}?${query}`)) as readonly Body[];
    for (const body of list) found.push({ kind: "monitor", id: body.id as number, body });
    if (list.length < PAGE) return found;
  }
}

async function findDashboards(rest: Rest): Promise<Found[]> {
  const ids: string[] = [];
  for (let start = 0; ; start += PAGE) {
    const query = new URLSearchParams({ count: String(PAGE), start: String(start) });
    const { dashboards = [] } = (await rest.ask("GET", `${PATHS.dashboard}?${query}`)) as {
      readonly dashboards?: readonly Body[];
    };
    for (const { id, description } of dashboards)
      if (typeof id === "string" && typeof description === "string" && description.includes(MARK)) ids.push(id);
    if (dashboards.length < PAGE) break;
  }
  const found: Found[] = [];
  for (const id of ids)
    found.push({ kind: "dashboard", id, body: (await rest.ask("GET", `${PATHS.dashboard}/${id}`)) as Body });
  return found;
}

/** Undefined when the answer is 404. */
async function orUndefined(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (refusalOf(error).status === 404) return undefined;
    throw error;
  }
}

/** Deleting what does not exist is no error. */
async function ignoreMissing(deletion: Promise<unknown>): Promise<void> {
  await orUndefined(deletion);
}
