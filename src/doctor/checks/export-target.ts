import { readIntake } from "../../datadog/intake.ts";
import { foreignExporter, readOtel, type Target } from "../../meter/export/endpoint.ts";
import { exportsMetrics, type Facts, settingOf } from "../facts.ts";
import { fault, note, ok, type Remark } from "../finding.ts";
import type { Answer } from "../question.ts";
import { shownUrl } from "../secrets.ts";
import type { Check } from "./check.ts";

const ASKED = "otlp";
const ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
const LOCAL = "http://localhost:4318";

/** Metrics are sent: by the app's own OpenTelemetry, to an OTLP endpoint, or to Datadog. */
export const exportTarget: Check = {
  name: "export-target",
  group: "export",
  asks(facts) {
    const { target } = targetOf(facts);
    if (target === undefined || isGrpc(facts)) return [];
    // Every receiver accepts an empty export.
    const { url, headers, encoding } = target;
    const type = encoding === "json" ? "application/json" : "application/x-protobuf";
    const body = encoding === "json" ? '{"resourceMetrics":[]}' : new Uint8Array();
    return [{ id: ASKED, kind: "http", url, method: "POST", headers: { ...headers, "content-type": type }, body }];
  },
  *check(facts, answers) {
    const { target, variable, notes } = targetOf(facts);
    const own = exportsMetrics(facts);
    for (const says of new Set(notes)) if (!/grpc/.test(says)) yield settingRemark(says, variable, facts);
    if (own) yield ownExport(facts);
    else if (isGrpc(facts)) {
      const says = "is grpc, which is not supported: OTLP goes over HTTP, usually to port 4318";
      yield fault("otlp-grpc", "OTEL_EXPORTER_OTLP_PROTOCOL", says, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf");
    }
    if (readOtel(facts.env).disabled)
      yield note("export-disabled", "OTEL_SDK_DISABLED", "is true: nothing is exported", "unset OTEL_SDK_DISABLED");
    else if (target !== undefined) {
      yield verdict(variable, target, answers.get(ASKED));
      if (!own) yield* temporalityRemark(target, facts);
    } else if (!own && notes.length === 0) yield nowhere(facts);
  },
};

function targetOf(facts: Facts): {
  readonly target: Target | undefined;
  readonly variable: string;
  readonly notes: readonly string[];
} {
  const { endpoint, disabled, notes } = readOtel(facts.env);
  // Where the app exports metrics itself, Datadog's intake is not used.
  const intake =
    endpoint.metrics !== undefined || disabled || exportsMetrics(facts) ? undefined : readIntake(facts.env);
  return {
    target: endpoint.metrics ?? intake?.endpoint.metrics,
    variable: intake === undefined ? ENDPOINT : "DD_SITE",
    notes: [...notes, ...(intake?.notes ?? [])],
  };
}

/** A setting that is ignored; the message begins with its name. */
function settingRemark(says: string, variable: string, { env }: Facts): Remark {
  const subject = /^[A-Z_]{5,}/.exec(says)?.[0] ?? variable;
  if (!/not an http/.test(says)) return note("export-setting", subject, says, `${subject}=…`);
  const value = env[subject]?.trim() ?? "";
  const address = /^[\w.-]+(?::\d+)?(?:\/\S*)?$/.test(value) ? `http://${value}` : LOCAL;
  return fault("endpoint-no-address", subject, says, `${subject}=${address}`);
}

function ownExport(facts: Facts): Remark {
  const name = "OTEL_METRICS_EXPORTER";
  if (settingOf(facts, name) !== "none")
    return ok("export", "OpenTelemetry", "the app's own meter provider exports ours too");
  return note("export-nowhere", name, "is none: the app's own OpenTelemetry exports no metrics", `${name}=otlp`);
}

function isGrpc(facts: Facts): boolean {
  const names = ["OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
  return names.map((name) => settingOf(facts, name)).find((value) => value !== undefined) === "grpc";
}

function verdict(variable: string, { url, hint, headers }: Target, answer: Answer | undefined): Remark {
  const where = shownUrl(url);
  const probe = `curl -i -X POST ${where}`;
  if (answer === undefined) return ok("export", variable, `${where}, not asked`);
  if ("failure" in answer) {
    const says = `${where} cannot be reached: ${answer.failure}; exports wait on disk`;
    return fault("endpoint-unreachable", variable, says, variable === ENDPOINT ? `${ENDPOINT}=${LOCAL}` : probe);
  }
  const { status } = answer;
  const says = `${where} answers ${status}`;
  if (status === 401 || status === 403) {
    const fix = "dd-api-key" in headers ? "DD_API_KEY=…" : "OTEL_EXPORTER_OTLP_HEADERS=authorization=…";
    return fault("endpoint-refuses", variable, `${says}: ${hint}`, fix);
  }
  if (status === 404 || status === 405 || (status >= 300 && status < 400)) {
    const why = "no OTLP at this path; /v1/metrics is appended to the endpoint";
    return fault("endpoint-wrong-path", variable, `${says}: ${why}`, `${ENDPOINT}=${LOCAL}`);
  }
  if (status < 500) return ok("export", variable, says);
  return note("endpoint-unwell", variable, `${says}, a server error: exports wait on disk until it is over`, probe);
}

/** An empty export has no temporality, so the answer to it does not tell: Prometheus is known by its path. */
function* temporalityRemark({ url, headers }: Target, { env }: Facts): Iterable<Remark> {
  const { temporality } = readOtel(env);
  const isPrometheus = /\/api\/v1\/otlp\//.test(URL.parse(url)?.pathname ?? "");
  if (isPrometheus && temporality !== "cumulative") {
    const says =
      "is not cumulative: Prometheus refuses deltas, unless it runs with --enable-feature=otlp-deltatocumulative";
    yield fault("temporality-refused", TEMPORALITY, says, `${TEMPORALITY}=cumulative`);
  }
  if ("dd-api-key" in headers && temporality === "cumulative")
    yield note("temporality-ignored", TEMPORALITY, "is cumulative: Datadog takes deltas only", `${TEMPORALITY}=delta`);
}

function nowhere({ deployment, env }: Facts): Remark {
  const exporter = foreignExporter(env);
  if (exporter !== undefined) {
    const name = "OTEL_METRICS_EXPORTER";
    return note("export-nowhere", name, `is ${exporter}: only otlp is exported, so nothing is sent`, `${name}=otlp`);
  }
  for (const name of [ENDPOINT, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "DD_API_KEY"]) {
    const set = deployment.variables.get(name);
    if (set !== undefined) return ok("export", name, `set in ${set.where}, not here: not asked`);
  }
  const says = "are not sent: no OTLP endpoint, no DD_API_KEY, no OpenTelemetry in the app; ledger and budgets work";
  return note("export-nowhere", "metrics", says, `${ENDPOINT}=${LOCAL}`);
}
