import type { Client } from "../client.ts";
import { fromJson, toJson } from "./client-json.ts";
import type { Found } from "./plan.ts";
import { type Body, MANAGED } from "./wanted.ts";

/** The part of a Datadog account that deploy uses: plain API JSON in and out. All reject with the client's errors. */
export interface Remote {
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
  isHistorical(metric: string): Promise<boolean>;
  setHistorical(metric: string, on: boolean): Promise<void>;
}

/** The client, and its APIs that deploying uses. */
interface Apis {
  readonly client: Client;
  readonly monitors: InstanceType<Client["v1"]["MonitorsApi"]>;
  readonly dashboards: InstanceType<Client["v1"]["DashboardsApi"]>;
  readonly webhooks: InstanceType<Client["v1"]["WebhooksIntegrationApi"]>;
  readonly metrics: InstanceType<Client["v1"]["MetricsApi"]>;
  readonly historical: InstanceType<Client["v2"]["MetricsApi"]>;
}

const PAGE = 100;
const MARK = "(spendfuse ";

export function createRemote(client: Client): Remote {
  const { v1, v2, configuration, app } = client;
  const apis: Apis = {
    client,
    monitors: new v1.MonitorsApi(configuration),
    dashboards: new v1.DashboardsApi(configuration),
    webhooks: new v1.WebhooksIntegrationApi(configuration),
    metrics: new v1.MetricsApi(configuration),
    historical: new v2.MetricsApi(configuration),
  };
  return {
    find: async () => [...(await findMonitors(apis)), ...(await findDashboards(apis))],
    async validate(monitor) {
      await apis.monitors.validateMonitor({ body: fromJson(v1, monitor, "Monitor") });
    },
    create: (kind, body) => create(apis, kind, body),
    update: (found, body) => update(apis, found, body),
    delete: ({ kind, id }) =>
      ignoreMissing(
        kind === "monitor"
          ? apis.monitors.deleteMonitor({ monitorId: id as number })
          : apis.dashboards.deleteDashboard({ dashboardId: String(id) }),
      ),
    urlOf: (kind, id) => (kind === "monitor" ? `${app}/monitors/${id}` : `${app}/dashboard/${id}`),
    webhook: (name) => readWebhook(apis, name),
    putWebhook: (name, body, there) => putWebhook(apis, name, body, there),
    deleteWebhook: (name) => ignoreMissing(apis.webhooks.deleteWebhooksIntegration({ webhookName: name })),
    hasVariable: (name) => exists(apis.webhooks.getWebhooksIntegrationCustomVariable({ customVariableName: name })),
    putVariable: (name, value, there) => putVariable(apis, name, value, there),
    deleteVariable: (name) =>
      ignoreMissing(apis.webhooks.deleteWebhooksIntegrationCustomVariable({ customVariableName: name })),
    metadata: (metric) => readMetadata(apis, metric),
    async putMetadata(metric, body) {
      await apis.metrics.updateMetricMetadata({ metricName: metric, body: fromJson(v1, body, "MetricMetadata") });
    },
    isHistorical: (metric) => exists(apis.historical.getHistoricalMetricsConfiguration({ metricName: metric })),
    setHistorical: (metric, on) => setHistorical(apis, metric, on),
  };
}

async function findMonitors({ client, monitors }: Apis): Promise<Found[]> {
  const found: Found[] = [];
  for (let page = 0; ; page += 1) {
    const list = await monitors.listMonitors({ monitorTags: MANAGED, page, pageSize: PAGE });
    for (const one of list)
      found.push({ kind: "monitor", id: one.id as number, body: toJson(client.v1, one, "Monitor") });
    if (list.length < PAGE) return found;
  }
}

async function findDashboards({ client, dashboards }: Apis): Promise<Found[]> {
  const ids: string[] = [];
  for (let start = 0; ; start += PAGE) {
    const { dashboards: list = [] } = await dashboards.listDashboards({ count: PAGE, start });
    for (const { id, description } of list) if (id && description?.includes(MARK)) ids.push(id);
    if (list.length < PAGE) break;
  }
  const found: Found[] = [];
  for (const id of ids) {
    const one = await dashboards.getDashboard({ dashboardId: id });
    found.push({ kind: "dashboard", id, body: toJson(client.v1, one, "Dashboard") });
  }
  return found;
}

async function create(
  { client, monitors, dashboards }: Apis,
  kind: Found["kind"],
  json: Body,
): Promise<string | number> {
  if (kind === "monitor")
    return (await monitors.createMonitor({ body: fromJson(client.v1, json, "Monitor") })).id as number;
  return (await dashboards.createDashboard({ body: fromJson(client.v1, json, "Dashboard") })).id as string;
}

async function update({ client, monitors, dashboards }: Apis, { kind, id }: Found, json: Body): Promise<void> {
  if (kind === "monitor") {
    const body = fromJson(client.v1, json, "MonitorUpdateRequest");
    await monitors.updateMonitor({ monitorId: id as number, body });
  } else {
    const body = fromJson(client.v1, json, "Dashboard");
    await dashboards.updateDashboard({ dashboardId: String(id), body });
  }
}

async function readWebhook({ client, webhooks }: Apis, name: string): Promise<Body | undefined> {
  const found = await orUndefined(webhooks.getWebhooksIntegration({ webhookName: name }));
  return found && toJson(client.v1, found, "WebhooksIntegration");
}

async function putWebhook({ client, webhooks }: Apis, name: string, json: Body, there: boolean): Promise<void> {
  if (there) {
    const body = fromJson(client.v1, json, "WebhooksIntegrationUpdateRequest");
    await webhooks.updateWebhooksIntegration({ webhookName: name, body });
  } else {
    const body = fromJson(client.v1, { ...json, name }, "WebhooksIntegration");
    await webhooks.createWebhooksIntegration({ body });
  }
}

async function putVariable({ client, webhooks }: Apis, name: string, value: string, there: boolean): Promise<void> {
  const json = { name, value, is_secret: true };
  if (there) {
    const body = fromJson(client.v1, json, "WebhooksIntegrationCustomVariableUpdateRequest");
    await webhooks.updateWebhooksIntegrationCustomVariable({ customVariableName: name, body });
  } else {
    const body = fromJson(client.v1, json, "WebhooksIntegrationCustomVariable");
    await webhooks.createWebhooksIntegrationCustomVariable({ body });
  }
}

async function readMetadata({ client, metrics }: Apis, metric: string): Promise<Body | undefined> {
  const found = await orUndefined(metrics.getMetricMetadata({ metricName: metric }));
  return found && toJson(client.v1, found, "MetricMetadata");
}

async function setHistorical({ client, historical }: Apis, metric: string, on: boolean): Promise<void> {
  if (!on) return ignoreMissing(historical.deleteHistoricalMetricsConfiguration({ metricName: metric }));
  const json = { data: { id: metric, type: "historical_metrics_configurations" } };
  const body = fromJson(client.v2, json, "HistoricalMetricsConfigurationCreateRequest");
  await historical.createHistoricalMetricsConfiguration({ body });
}

/** Undefined when the answer is 404. */
async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if ((error as { code?: unknown }).code === 404) return undefined;
    throw error;
  }
}

async function exists(answer: Promise<unknown>): Promise<boolean> {
  return (await orUndefined(answer)) !== undefined;
}

/** Deleting what does not exist is no error. */
async function ignoreMissing(deletion: Promise<unknown>): Promise<void> {
  await orUndefined(deletion);
}
