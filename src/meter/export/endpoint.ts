/** Where one signal goes. Plain data: it travels to the exit sender as JSON. */
export interface Target {
  readonly url: string;
  /** Secrets are in here: never print them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly encoding: "json" | "protobuf";
  readonly compression: "gzip" | "none";
  /** Milliseconds for one request. */
  readonly timeoutMs: number;
  /** What to check after a 401 or 403. */
  readonly hint: string;
}

export interface Endpoint {
  readonly metrics?: Target;
  readonly traces?: Target;
}

/** How sums and histograms are sent: what came since the last export, or what came since the process began. */
export type Temporality = "delta" | "cumulative";

/** The settings of exporting, from the environment. */
export interface ExportSettings {
  readonly endpoint: Endpoint;
  /** Attributes of the resource, `service.name` in it when one was given. */
  readonly resource: Readonly<Record<string, string>>;
  /** Milliseconds between two exports. */
  readonly intervalMs: number;
  readonly temporality: Temporality;
  /** OTEL_SDK_DISABLED: nothing may be exported. */
  readonly disabled: boolean;
  /** What was not understood, a sentence each. */
  readonly notes: readonly string[];
}

export type Env = Readonly<Record<string, string | undefined>>;

export const DEFAULT_INTERVAL_MS = 10_000;
export const DEFAULT_TIMEOUT_MS = 10_000;

const HINT = "check OTEL_EXPORTER_OTLP_HEADERS and the endpoint";

/** The standard `OTEL_*` variables. Without an endpoint in them nothing is exported: no address is assumed. */
export function readOtel(env: Env): ExportSettings {
  const notes: string[] = [];
  const disabled = env.OTEL_SDK_DISABLED?.trim().toLowerCase() === "true";
  const metrics = disabled ? undefined : target(env, "METRICS", notes);
  const traces = disabled ? undefined : target(env, "TRACES", notes);
  const service = given(env.OTEL_SERVICE_NAME);
  const resource = readPairs("OTEL_RESOURCE_ATTRIBUTES", env.OTEL_RESOURCE_ATTRIBUTES, notes);
  return {
    endpoint: { ...(metrics && { metrics }), ...(traces && { traces }) },
    resource: service === undefined ? resource : { ...resource, "service.name": service },
    intervalMs: milliseconds(env, "OTEL_METRIC_EXPORT_INTERVAL", notes) ?? DEFAULT_INTERVAL_MS,
    temporality: temporalityOf(env, notes),
    disabled,
    notes,
  };
}

const TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";

/** Delta by default, as Datadog needs it. `lowmemory` is delta too: all our sums are of synchronous instruments. */
function temporalityOf(env: Env, notes: string[]): Temporality {
  const asked = given(env[TEMPORALITY])?.toLowerCase();
  if (asked === "cumulative") return "cumulative";
  if (asked !== undefined && asked !== "delta" && asked !== "lowmemory")
    notes.push(`${TEMPORALITY} is none of delta, cumulative, lowmemory: delta is used`);
  return "delta";
}

/** The exporter of metrics that the environment names where it is none of ours: we have `otlp` alone. */
export function foreignExporter(env: Env): string | undefined {
  return exportsOtlp(env, "METRICS") ? undefined : given(env.OTEL_METRICS_EXPORTER);
}

function exportsOtlp(env: Env, signal: "METRICS" | "TRACES"): boolean {
  const exporters = given(env[`OTEL_${signal}_EXPORTER`])?.split(",") ?? ["otlp"];
  return exporters.some((one) => one.trim() === "otlp");
}

function target(env: Env, signal: "METRICS" | "TRACES", notes: string[]): Target | undefined {
  if (!exportsOtlp(env, signal)) return undefined;
  const of = (name: string) =>
    given(env[`OTEL_EXPORTER_OTLP_${signal}_${name}`]) ?? given(env[`OTEL_EXPORTER_OTLP_${name}`]);
  const url = urlOf(env, signal, notes);
  if (url === undefined) return undefined;
  const protocol = of("PROTOCOL");
  if (protocol === "grpc")
    notes.push("OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not spoken: OTLP goes over HTTP, usually to port 4318");
  const headers = {
    ...readPairs("OTEL_EXPORTER_OTLP_HEADERS", env.OTEL_EXPORTER_OTLP_HEADERS, notes),
    ...readPairs(`OTEL_EXPORTER_OTLP_${signal}_HEADERS`, env[`OTEL_EXPORTER_OTLP_${signal}_HEADERS`], notes),
  };
  return {
    url,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    encoding: protocol === "http/protobuf" ? "protobuf" : "json",
    compression: of("COMPRESSION") === "none" ? "none" : "gzip",
    timeoutMs:
      milliseconds(env, `OTEL_EXPORTER_OTLP_${signal}_TIMEOUT`, notes) ??
      milliseconds(env, "OTEL_EXPORTER_OTLP_TIMEOUT", notes) ??
      DEFAULT_TIMEOUT_MS,
    hint: HINT,
  };
}

/** The endpoint of one signal is used as it is; the one for all is the root of both. */
function urlOf(env: Env, signal: "METRICS" | "TRACES", notes: string[]): string | undefined {
  const name = `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`;
  const own = given(env[name]);
  if (own !== undefined) return checkUrl(name, own, notes);
  const root = given(env.OTEL_EXPORTER_OTLP_ENDPOINT);
  if (root === undefined) return undefined;
  return checkUrl("OTEL_EXPORTER_OTLP_ENDPOINT", `${root.replace(/\/+$/, "")}/v1/${signal.toLowerCase()}`, notes);
}

function checkUrl(name: string, value: string, notes: string[]): string | undefined {
  if (/^https?:$/.test(URL.parse(value)?.protocol ?? "")) return value;
  notes.push(`${name} is not an http or https address, nothing is sent there`);
  return undefined;
}

/** `key=value,key=value`, the values percent-encoded. */
export function readPairs(name: string, list: string | undefined, notes: string[]): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const pair of (list ?? "").split(",")) {
    const at = pair.indexOf("=");
    if (pair.trim() === "") continue;
    if (at < 1) {
      notes.push(`${name} has an entry that is not key=value; percent-encode commas in values`);
      continue;
    }
    pairs[decode(pair.slice(0, at).trim())] = decode(pair.slice(at + 1).trim());
  }
  return pairs;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function milliseconds(env: Env, name: string, notes: string[]): number | undefined {
  const text = given(env[name]);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  notes.push(`${name} is not a number of milliseconds above 0, the default is used`);
  return undefined;
}

/** An empty variable counts as unset, as OpenTelemetry has it. */
function given(value: string | undefined): string | undefined {
  const text = value?.trim();
  return text === "" ? undefined : text;
}
