import { type AccountAnswer, type AccountRequest, type Body, ok, refuse } from "./account/answer.ts";
import { type CustomCostFile, createCustomCosts } from "./account/custom-costs.ts";
import { createDashboards, type StoredDashboard } from "./account/dashboards.ts";
import { createIntegration } from "./account/integration.ts";
import { createMetadata } from "./account/metadata.ts";
import { createMonitors, iso, type StoredMonitor } from "./account/monitors.ts";
import { createTagConfigurations } from "./account/tag-configurations.ts";
import type { Webhook } from "./webhook.ts";

/** What an account holds besides its metrics, in memory, and the part of Datadog's API that changes it. */
export interface Account {
  /** Undefined for a path that the sandbox does not have. */
  handle(request: AccountRequest): AccountAnswer | undefined;
  monitors(): readonly StoredMonitor[];
  dashboards(): readonly StoredDashboard[];
  webhooks(): readonly Webhook[];
  /** Custom variables of webhooks, secret ones with their values. */
  variables(): ReadonlyMap<string, string>;
  metadata(metric: string): Body | undefined;
  /** The attributes of a metric's tag configuration. */
  tagConfiguration(metric: string): Body | undefined;
  isHistorical(metric: string): boolean;
  customCosts(): readonly CustomCostFile[];
}

export interface AccountOptions {
  /** Seconds. */
  readonly now: () => number;
  /** Whether a metric has a point. */
  readonly knowsMetric: (name: string) => boolean;
  /** What is wrong with a monitor's query, in words. */
  readonly validate: (monitor: Body) => string | undefined;
  readonly onChange: () => void;
}

const MONITOR = "/api/v1/monitor";
const DASHBOARD = "/api/v1/dashboard";
const COSTS = "/api/v2/cost/custom_costs";
const INTEGRATION = "/api/v1/integration/webhooks/configuration";

export function createAccount({ now, knowsMetric, validate, onChange }: AccountOptions): Account {
  const monitors = createMonitors({ now, validate, onChange });
  const dashboards = createDashboards(now, onChange);
  const integration = createIntegration();
  const metadata = createMetadata(now, knowsMetric);
  const tags = createTagConfigurations(() => iso(now()));
  const customCosts = createCustomCosts(now);

  function route(request: AccountRequest): AccountAnswer | undefined {
    const { path } = request;
    if (path === "/api/v1/validate") return ok({ valid: true });
    if (isUnder(path, MONITOR)) return monitors.handle(request, path.slice(MONITOR.length));
    if (isUnder(path, DASHBOARD)) return dashboards.handle(request, path.slice(DASHBOARD.length));
    if (isUnder(path, INTEGRATION)) return integration.handle(request, path.slice(INTEGRATION.length));
    if (isUnder(path, COSTS)) return customCosts.handle(request, path.slice(COSTS.length + 1));
    return tags.handle(request) ?? metadata.handle(request);
  }

  return {
    handle(request) {
      if (!request.path.startsWith("/api/")) return undefined;
      const { headers, path } = request;
      // Any key is accepted; only a missing one is an error.
      if (!headers["dd-api-key"]) return refuse(401, "Unauthorized");
      if (path !== "/api/v1/validate" && !headers["dd-application-key"]) return refuse(403, "Forbidden");
      return route(request);
    },
    monitors: () => monitors.all,
    dashboards: () => dashboards.all,
    webhooks: () => integration.webhooks,
    variables: () => integration.variables,
    metadata: (metric) => metadata.of(metric),
    tagConfiguration: (metric) => tags.of(metric),
    isHistorical: (metric) => metadata.isHistorical(metric),
    customCosts: () => customCosts.files,
  };
}

function isUnder(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`);
}
