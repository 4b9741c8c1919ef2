import { SpendfuseError } from "../../core/errors.ts";
import type { Client } from "../client.ts";
import type { Found } from "./plan.ts";
import { type Body, MANAGED } from "./wanted.ts";

/** An account, as far as deploying goes: plain API JSON in and out. All reject with what the client throws. */
export interface Remote {
  /** Our monitors by tag, and the dashboards that carry our mark. */
  find(): Promise<readonly Found[]>;
  validate(monitor: Body): Promise<void>;
  create(kind: Found["kind"], body: Body): Promise<string | number>;
  update(found: Found, body: Body): Promise<void>;
  delete(found: Found): Promise<void>;
  /** Where people look at it. */
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

const PAGE = 100;
const MARK = "(spendfuse ";

export function createRemote({ v1, v2, configuration, app }: Client): Remote {
  const monitors = new v1.MonitorsApi(configuration);
  const dashboards = new v1.DashboardsApi(configuration);
  const integration = new v1.WebhooksIntegrationApi(configuration);
  const metrics = new v1.MetricsApi(configuration);
  const pastMetrics = new v2.MetricsApi(configuration);

  const toJson = (value: unknown, type: string): Body => v1.ObjectSerializer.serialize(value, type, "") as Body;

  /** Plain JSON in the client's own form; as is, every name with an underscore would be lost. */
  function fromJson(json: Body, type: string, serializer: typeof v1.ObjectSerializer = v1.ObjectSerializer) {
    const value = serializer.deserialize(json, type, "");
    const path = findUnparsed(value);
    if (path === undefined) return value;
    throw new SpendfuseError("SPENDFUSE_DATADOG", `the client does not know a part of this ${type}: ${path}`, {
      type,
      path,
    });
  }

  async function findMonitors(): Promise<Found[]> {
    const found: Found[] = [];
    for (let page = 0; ; page += 1) {
      const list = await monitors.listMonitors({ monitorTags: MANAGED, page, pageSize: PAGE });
      for (const one of list) found.push({ kind: "monitor", id: one.id as number, body: toJson(one, "Monitor") });
      if (list.length < PAGE) return found;
    }
  }

  async function findDashboards(): Promise<Found[]> {
    const ids: string[] = [];
    for (let start = 0; ; start += PAGE) {
      const { dashboards: list = [] } = await dashboards.listDashboards({ count: PAGE, start });
      for (const { id, description } of list) if (id && description?.includes(MARK)) ids.push(id);
      if (list.length < PAGE) break;
    }
    const found: Found[] = [];
    for (const id of ids) {
      const one = await dashboards.getDashboard({ dashboardId: id });
      found.push({ kind: "dashboard", id, body: toJson(one, "Dashboard") });
    }
    return found;
  }

  return {
    find: async () => [...(await findMonitors()), ...(await findDashboards())],
    async validate(monitor) {
      await monitors.validateMonitor({ body: fromJson(monitor, "Monitor") });
    },
    async create(kind, body) {
      if (kind === "monitor") return (await monitors.createMonitor({ body: fromJson(body, "Monitor") })).id as number;
      return (await dashboards.createDashboard({ body: fromJson(body, "Dashboard") })).id as string;
    },
    async update({ kind, id }, body) {
      if (kind === "monitor") {
        await monitors.updateMonitor({ monitorId: id as number, body: fromJson(body, "MonitorUpdateRequest") });
      } else await dashboards.updateDashboard({ dashboardId: String(id), body: fromJson(body, "Dashboard") });
    },
    async delete({ kind, id }) {
      if (kind === "monitor") await gone(monitors.deleteMonitor({ monitorId: id as number }));
      else await gone(dashboards.deleteDashboard({ dashboardId: String(id) }));
    },
    urlOf: (kind, id) => (kind === "monitor" ? `${app}/monitors/${id}` : `${app}/dashboard/${id}`),
    async webhook(name) {
      const there = await orNothing(integration.getWebhooksIntegration({ webhookName: name }));
      return there && toJson(there, "WebhooksIntegration");
    },
    async putWebhook(name, body, there) {
      if (there) {
        const change = fromJson(body, "WebhooksIntegrationUpdateRequest");
        await integration.updateWebhooksIntegration({ webhookName: name, body: change });
      } else await integration.createWebhooksIntegration({ body: fromJson({ ...body, name }, "WebhooksIntegration") });
    },
    deleteWebhook: (name) => gone(integration.deleteWebhooksIntegration({ webhookName: name })),
    async hasVariable(name) {
      const there = integration.getWebhooksIntegrationCustomVariable({ customVariableName: name });
      return (await orNothing(there)) !== undefined;
    },
    async putVariable(name, value, there) {
      const json = { name, value, is_secret: true };
      if (there) {
        const body = fromJson(json, "WebhooksIntegrationCustomVariableUpdateRequest");
        await integration.updateWebhooksIntegrationCustomVariable({ customVariableName: name, body });
      } else {
        const body = fromJson(json, "WebhooksIntegrationCustomVariable");
        await integration.createWebhooksIntegrationCustomVariable({ body });
      }
    },
    deleteVariable: (name) => gone(integration.deleteWebhooksIntegrationCustomVariable({ customVariableName: name })),
    async metadata(metric) {
      const there = await orNothing(metrics.getMetricMetadata({ metricName: metric }));
      return there && toJson(there, "MetricMetadata");
    },
    async putMetadata(metric, body) {
      await metrics.updateMetricMetadata({ metricName: metric, body: fromJson(body, "MetricMetadata") });
    },
    async isHistorical(metric) {
      const there = pastMetrics.getHistoricalMetricsConfiguration({ metricName: metric });
      return (await orNothing(there)) !== undefined;
    },
    async setHistorical(metric, on) {
      if (!on) return gone(pastMetrics.deleteHistoricalMetricsConfiguration({ metricName: metric }));
      const json = { data: { id: metric, type: "historical_metrics_configurations" } };
      const body = fromJson(json, "HistoricalMetricsConfigurationCreateRequest", v2.ObjectSerializer as never);
      await pastMetrics.createHistoricalMetricsConfiguration({ body });
    },
  };
}

/** Undefined for what is not there. */
async function orNothing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if ((error as { code?: unknown }).code === 404) return undefined;
    throw error;
  }
}

/** Deleting what is gone is no fault. */
async function gone(deleting: Promise<unknown>): Promise<void> {
  await orNothing(deleting);
}

function findUnparsed(value: unknown, path = ""): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if ((value as { _unparsed?: boolean })._unparsed === true) return path || "all of it";
  for (const [key, inner] of Object.entries(value)) {
    const found = findUnparsed(inner, path === "" ? key : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
