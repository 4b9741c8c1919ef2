import { type AccountAnswer, type AccountRequest, type Body, ok, refuse } from "./account/answer.ts";
import { type CustomCostFile, createCustomCosts } from "./account/custom-costs.ts";
import { createDashboards, type StoredDashboard } from "./account/dashboards.ts";
import { createDowntimes, type DowntimeTarget, scopeMatches } from "./account/downtimes/downtimes.ts";
import { downtimesOfMonitor, handleDowntimesV1, showMatching } from "./account/downtimes/v1.ts";
import { downtimeMatches, handleDowntimesV2 } from "./account/downtimes/v2.ts";
import { createEvents, type StoredEvent } from "./account/events/events.ts";
import { handleEventsV1 } from "./account/events/v1.ts";
import { handleEventsV2 } from "./account/events/v2.ts";
import { createIntegration } from "./account/integration.ts";
import { iso } from "./account/iso.ts";
import { createMetadata } from "./account/metadata.ts";
import { createMonitors, type StoredMonitor } from "./account/monitors.ts";
import { createTagConfigurations } from "./account/tag-configurations.ts";
import type { MonitorStates } from "./monitor/states.ts";
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
  /** Newest first. */
  events(): readonly StoredEvent[];
  /** Whether a downtime, or a mute in its options, silences a group of a monitor now. */
  isMuted(monitor: number, tags: ReadonlyMap<string, string>): boolean;
}

export interface AccountOptions {
  /** Seconds. */
  readonly now: () => number;
  /** Whether a metric has a point. */
  readonly knowsMetric: (name: string) => boolean;
  /** What is wrong with a monitor's query, in words. */
  readonly validate: (monitor: Body) => string | undefined;
  readonly onChange: () => void;
  /** How a monitor stands; undefined for one that nothing evaluates. */
  readonly statesOf?: (monitor: number) => MonitorStates | undefined;
}

const EVENTS_V1 = "/api/v1/events";
const EVENTS_V2 = "/api/v2/events";
const MONITOR = "/api/v1/monitor";
const DASHBOARD = "/api/v1/dashboard";
const COSTS = "/api/v2/cost/custom_costs";
const INTEGRATION = "/api/v1/integration/webhooks/configuration";

export function createAccount(options: AccountOptions): Account {
  const { now, knowsMetric, validate, onChange, statesOf = () => undefined } = options;
  const downtimes = createDowntimes(now);
  const events = createEvents();
  const monitors = createMonitors({
    now,
    validate,
    onChange,
    statesOf,
    downtimesOf: (monitor) => downtimes.matching(targetOf(monitor)).map(showMatching),
  });
  const dashboards = createDashboards(now, onChange);
  const integration = createIntegration();
  const metadata = createMetadata(now, knowsMetric);
  const tags = createTagConfigurations(() => iso(now()));
  const customCosts = createCustomCosts(now);

  function downtimesOf(id: number, version: string): AccountAnswer {
    const monitor = monitors.all.find((one) => one.id === id);
    if (monitor === undefined) return refuse(404, "Monitor not found");
    const target = targetOf(monitor);
    return version === "1" ? downtimesOfMonitor(downtimes, target, now()) : downtimeMatches(downtimes, target);
  }

  function route(request: AccountRequest): AccountAnswer | undefined {
    const { path } = request;
    if (path === "/api/v1/validate") return ok({ valid: true });
    if (isUnder(path, EVENTS_V1)) return handleEventsV1(request, events, now());
    if (isUnder(path, EVENTS_V2)) return handleEventsV2(request, events, now());
    if (isUnder(path, "/api/v1/downtime")) return handleDowntimesV1(request, downtimes, now());
    if (isUnder(path, "/api/v2/downtime")) return handleDowntimesV2(request, downtimes, now());
    const [, version, of] = /^\/api\/v([12])\/monitor\/(\d+)\/(?:downtimes|downtime_matches)$/.exec(path) ?? [];
    if (version !== undefined && request.method === "GET") return downtimesOf(Number(of), version);
    if (isUnder(path, MONITOR)) return monitors.handle(request, path.slice(MONITOR.length));
    if (isUnder(path, DASHBOARD)) return dashboards.handle(request, path.slice(DASHBOARD.length));
    if (isUnder(path, INTEGRATION)) return integration.handle(request, path.slice(INTEGRATION.length));
    if (isUnder(path, COSTS)) return customCosts.handle(request, path.slice(COSTS.length + 1));
    return tags.handle(request) ?? metadata.handle(request);
  }

  return {
    handle(request) {
      if (!request.path.startsWith("/api/")) return undefined;
      const { headers } = request;
      // Any key is accepted; only a missing one is an error.
      if (!headers["dd-api-key"]) return refuse(401, "Unauthorized");
      if (!needsNoAppKey(request) && !headers["dd-application-key"]) return refuse(403, "Forbidden");
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
    events: () => events.all,
    isMuted(id, tags) {
      const monitor = monitors.all.find((one) => one.id === id);
      if (monitor === undefined) return false;
      const lists = new Map([...tags].map(([key, value]) => [key, [value]]));
      const scopes = [...mutesOf(monitor, now()), ...downtimes.matching(targetOf(monitor)).map(({ scope }) => scope)];
      return scopes.some((scope) => scopeMatches(scope)(lists));
    },
  };
}

function targetOf({ id, body }: StoredMonitor): DowntimeTarget {
  return { id, tags: (body.tags ?? []) as readonly string[] };
}

/** The scopes that a monitor's own options mute. */
function mutesOf({ body }: StoredMonitor, now: number): readonly string[] {
  const { silenced } = (body.options ?? {}) as { readonly silenced?: Readonly<Record<string, number | null>> | null };
  return Object.entries(silenced ?? {}).flatMap(([scope, until]) => (until === null || until > now ? [scope] : []));
}

/** Whether a request is taken with an API key alone: the check of it, and events, which are only sent. */
function needsNoAppKey({ method, path }: AccountRequest): boolean {
  return path === "/api/v1/validate" || (method === "POST" && (path === EVENTS_V1 || path === EVENTS_V2));
}

function isUnder(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`);
}
