import { DEFAULT_TIMEOUT_MS, type Endpoint, type Env, type Target } from "../meter/export/endpoint.ts";

/** Datadog's direct OTLP intake, without an Agent. */
export interface Intake {
  readonly endpoint: Endpoint;
  /** Resource attributes from DD_SERVICE, DD_ENV and DD_VERSION. */
  readonly resource: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
}

/**
 * Two processes may report the same standard metrics of the same service at the same second, of which Datadog would
 * keep one: the resource, with the stable instance in it, has to become tags.
 */
const METRIC_CONFIG = JSON.stringify({ resource_attributes_as_tags: true, histograms: { mode: "distributions" } });

/**
 * The intake that DD_API_KEY and DD_SITE name; undefined without a key. Spans go there only with SPENDFUSE_DD_TRACES=1,
 * because Datadog may bill them. SPENDFUSE_DD_OTLP_URL replaces `https://otlp.<site>` (sites with other hosts, tests).
 */
export function readIntake(env: Env): Intake | undefined {
  const key = env.DD_API_KEY?.trim();
  if (!key) return undefined;
  const notes: string[] = [];
  const root = rootOf(env, notes);
  const target = (path: string, rest: Pick<Target, "encoding"> & { headers: Record<string, string> }): Target => ({
    url: `${root}/v1/${path}`,
    headers: { "dd-api-key": key, ...rest.headers },
    encoding: rest.encoding,
    compression: "gzip",
    timeoutMs: DEFAULT_TIMEOUT_MS,
    hint: "check that DD_SITE is the site of the account that DD_API_KEY belongs to",
  });
  const metrics = target("metrics", { encoding: "json", headers: { "dd-otel-metric-config": METRIC_CONFIG } });
  const traces = target("traces", { encoding: "protobuf", headers: { "dd-otlp-source": "llmobs" } });
  return {
    endpoint: root === undefined ? {} : { metrics, ...(env.SPENDFUSE_DD_TRACES?.trim() === "1" && { traces }) },
    resource: {
      ...(env.DD_SERVICE && { "service.name": env.DD_SERVICE }),
      ...(env.DD_ENV && { "deployment.environment.name": env.DD_ENV }),
      ...(env.DD_VERSION && { "service.version": env.DD_VERSION }),
    },
    notes,
  };
}

function rootOf(env: Env, notes: string[]): string | undefined {
  const own = env.SPENDFUSE_DD_OTLP_URL?.trim().replace(/\/+$/, "");
  if (own) {
    if (/^https?:$/.test(URL.parse(own)?.protocol ?? "")) return own;
    notes.push("SPENDFUSE_DD_OTLP_URL is not an http or https address, nothing is sent");
    return undefined;
  }
  const site = env.DD_SITE?.trim().toLowerCase() || "datadoghq.com";
  // The key goes to this host, so it must be a host name and nothing else.
  if (/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(site)) return `https://otlp.${site}`;
  notes.push("DD_SITE is not a site such as datadoghq.com or us5.datadoghq.com, nothing is sent");
  return undefined;
}
