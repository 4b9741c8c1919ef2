import { readIntake } from "../../datadog/intake.ts";
import { readOtel, type Target } from "../../meter/export/endpoint.ts";
import { type Facts, settingOf } from "../facts.ts";
import { fault, note, ok, type Remark } from "../finding.ts";
import { exportsMetrics } from "../own-telemetry.ts";
import type { Answer, Question } from "../question.ts";
import { shownUrl } from "../secrets.ts";
import type { Check } from "./check.ts";

const ASKED = "otlp";
const LOCAL = "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318";

/** Metrics go somewhere: to the app's own OpenTelemetry, an OTLP endpoint, or Datadog. */
export const exportTarget: Check = {
  name: "export-target",
  group: "export",
  asks(facts) {
    const { target } = targetOf(facts);
    return target === undefined || isGrpc(facts) ? [] : [emptyExport(target)];
  },
  *check(facts, answers) {
    const { target, variable, notes } = targetOf(facts);
    const own = exportsMetrics(facts);
    for (const says of new Set(notes)) {
      if (/grpc/.test(says)) continue;
      const [subject = variable] = /^[A-Z_]{5,}/.exec(says) ?? [];
      // Nothing is sent then, though it was meant to be.
      if (/not an http/.test(says))
        yield fault("endpoint-no-address", subject, says, `${subject}=${addressOf(facts.env[subject])}`);
      else yield note("export-setting", subject, says, `${subject}=…`);
    }
    if (own && settingOf(facts, "OTEL_METRICS_EXPORTER") === "none")
      yield note(
        "export-nowhere",
        "OTEL_METRICS_EXPORTER",
        "is none: the app's own OpenTelemetry exports no metrics, ours neither",
        "OTEL_METRICS_EXPORTER=otlp",
      );
    else if (own) yield ok("export", "OpenTelemetry", "the app's own meter provider exports ours too");
    else if (isGrpc(facts))
      yield fault(
        "otlp-grpc",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "is grpc, which is not spoken: OTLP goes over HTTP, usually to port 4318",
        "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
      );
    if (readOtel(facts.env).disabled)
      yield note("export-disabled", "OTEL_SDK_DISABLED", "is true: nothing is exported", "unset OTEL_SDK_DISABLED");
    else if (target !== undefined) {
      const answer = answers.get(ASKED);
      const where = shownUrl(target.url);
      if (answer === undefined) yield ok("export", variable, `${where}, not asked`);
      else yield verdict(variable, where, answer, target);
    } else if (!own && notes.length === 0) yield nowhere(facts);
  },
};

function targetOf(facts: Facts): {
  readonly target: Target | undefined;
  readonly variable: string;
  readonly notes: readonly string[];
} {
  const standard = readOtel(facts.env);
  if (standard.endpoint.metrics !== undefined || standard.disabled)
    return { target: standard.endpoint.metrics, variable: "OTEL_EXPORTER_OTLP_ENDPOINT", notes: standard.notes };
  // Where the app exports by itself, what is meant for us is not used.
  const intake = exportsMetrics(facts) ? undefined : readIntake(facts.env);
  const notes = [...standard.notes, ...(intake?.notes ?? [])];
  return { target: intake?.endpoint.metrics, variable: intake ? "DD_SITE" : "OTEL_EXPORTER_OTLP_ENDPOINT", notes };
}

/** What was most likely meant. */
function addressOf(value = ""): string {
  return /^[\w.-]+(?::\d+)?(?:\/\S*)?$/.test(value.trim()) ? `http://${value.trim()}` : "http://localhost:4318";
}

function isGrpc(facts: Facts): boolean {
  const protocol =
    settingOf(facts, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL") ?? settingOf(facts, "OTEL_EXPORTER_OTLP_PROTOCOL");
  return protocol === "grpc";
}

/** An export with nothing in it, which every receiver takes. */
function emptyExport({ url, headers, encoding }: Target): Question {
  const type = encoding === "json" ? "application/json" : "application/x-protobuf";
  const body = encoding === "json" ? '{"resourceMetrics":[]}' : new Uint8Array();
  return { id: ASKED, kind: "http", url, method: "POST", headers: { ...headers, "content-type": type }, body };
}

function verdict(variable: string, where: string, answer: Answer, { hint, headers }: Target): Remark {
  if ("failure" in answer)
    return fault(
      "endpoint-unreachable",
      variable,
      `${where} cannot be reached: ${answer.failure}; exports wait on disk`,
      variable === "DD_SITE" ? `curl -i -X POST ${where}` : LOCAL,
    );
  const { status } = answer;
  if (status === 401 || status === 403)
    return fault(
      "endpoint-refuses",
      variable,
      `${where} answers ${status}: ${hint}`,
      "dd-api-key" in headers ? "DD_API_KEY=…" : "OTEL_EXPORTER_OTLP_HEADERS=authorization=…",
    );
  if (status === 404 || status === 405 || (status >= 300 && status < 400))
    return fault(
      "endpoint-wrong-path",
      variable,
      `${where} answers ${status}: OTLP is not taken at this path; /v1/metrics is added to the endpoint`,
      LOCAL,
    );
  const says = `${where} answers ${status}`;
  if (status < 500) return ok("export", variable, says);
  const unwell = `${says}: it is there and not well; exports wait on disk`;
  return note("endpoint-unwell", variable, unwell, `curl -i -X POST ${where}`);
}

function nowhere(facts: Facts): Remark {
  for (const name of ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "DD_API_KEY"]) {
    const set = facts.deployment.variables.get(name);
    if (set !== undefined) return ok("export", name, `set in ${set.where}, not here: not asked`);
  }
  return note(
    "export-nowhere",
    "metrics",
    "nothing is sent: no OTLP endpoint, no DD_API_KEY, no OpenTelemetry of the app; ledger and budgets work alone",
    LOCAL,
  );
}
