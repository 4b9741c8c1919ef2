import { readIntake } from "../../datadog/intake.ts";
import { readOtel, type Target } from "../../meter/export/endpoint.ts";
import { type Facts, settingOf } from "../facts.ts";
import type { Remark } from "../finding.ts";
import { exportsMetrics } from "../own-telemetry.ts";
import type { Question } from "../question.ts";
import { shownUrl } from "../secrets.ts";
import type { Check } from "./check.ts";

const ASKED = "otlp";
const LOCAL = "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318";

export const exportTarget: Check = {
  name: "export-target",
  group: "export",
  says: "metrics go somewhere: to the app's own OpenTelemetry, an OTLP endpoint, or Datadog",
  asks(facts) {
    const { target } = targetOf(facts);
    return target === undefined || isGrpc(facts) ? [] : [emptyExport(target)];
  },
  *check(facts, answers) {
    const { target, variable, notes } = targetOf(facts);
    const own = exportsMetrics(facts);
    for (const note of new Set(notes)) {
      if (/grpc/.test(note)) continue;
      const [subject = variable] = /^[A-Z_]{5,}/.exec(note) ?? [];
      // Nothing is sent then, though it was meant to be.
      if (/not an http/.test(note))
        yield {
          id: "endpoint-no-address",
          level: "fault",
          subject,
          says: note,
          fix: `${subject}=${addressOf(facts.env[subject])}`,
        };
      else yield { id: "export-setting", level: "note", subject, says: note, fix: `${subject}=…` };
    }
    if (own && settingOf(facts, "OTEL_METRICS_EXPORTER") === "none")
      yield {
        id: "export-nowhere",
        level: "note",
        subject: "OTEL_METRICS_EXPORTER",
        says: "is none: the app's own OpenTelemetry exports no metrics, ours neither",
        fix: "OTEL_METRICS_EXPORTER=otlp",
      };
    else if (own)
      yield {
        id: "export",
        level: "ok",
        subject: "OpenTelemetry",
        says: "the app's own meter provider exports ours too",
      };
    else if (isGrpc(facts))
      yield {
        id: "otlp-grpc",
        level: "fault",
        subject: "OTEL_EXPORTER_OTLP_PROTOCOL",
        says: "is grpc, which is not spoken: OTLP goes over HTTP, usually to port 4318",
        fix: "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
      };
    if (isDisabled(facts))
      yield {
        id: "export-disabled",
        level: "note",
        subject: "OTEL_SDK_DISABLED",
        says: "is true: nothing is exported",
        fix: "unset OTEL_SDK_DISABLED",
      };
    else if (target !== undefined) {
      const answer = answers.get(ASKED);
      const where = shownUrl(target.url);
      if (answer === undefined) yield { id: "export", level: "ok", subject: variable, says: `${where}, not asked` };
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

function isDisabled({ env }: Facts): boolean {
  return readOtel(env).disabled;
}

/** An export with nothing in it, which every receiver takes. */
function emptyExport({ url, headers, encoding }: Target): Question {
  const type = encoding === "json" ? "application/json" : "application/x-protobuf";
  const body = encoding === "json" ? '{"resourceMetrics":[]}' : new Uint8Array();
  return { id: ASKED, kind: "http", url, method: "POST", headers: { ...headers, "content-type": type }, body };
}

type Answer = { readonly status: number } | { readonly failure: string };

function verdict(variable: string, where: string, answer: Answer, { hint, headers }: Target): Remark {
  if ("failure" in answer)
    return {
      id: "endpoint-unreachable",
      level: "fault",
      subject: variable,
      says: `${where} cannot be reached: ${answer.failure}; exports wait on disk`,
      fix: variable === "DD_SITE" ? "DD_SITE=datadoghq.eu" : LOCAL,
    };
  const { status } = answer;
  if (status === 401 || status === 403)
    return {
      id: "endpoint-refuses",
      level: "fault",
      subject: variable,
      says: `${where} answers ${status}: ${hint}`,
      fix: "dd-api-key" in headers ? "DD_API_KEY=…" : "OTEL_EXPORTER_OTLP_HEADERS=authorization=…",
    };
  if (status === 404 || status === 405 || (status >= 300 && status < 400))
    return {
      id: "endpoint-wrong-path",
      level: "fault",
      subject: variable,
      says: `${where} answers ${status}: OTLP is not taken at this path; /v1/metrics is added to the endpoint`,
      fix: LOCAL,
    };
  const level = status >= 500 ? "note" : "ok";
  const says = `${where} answers ${status}${level === "note" ? ": it is there and not well; exports wait on disk" : ""}`;
  return level === "note"
    ? { id: "endpoint-unwell", level, subject: variable, says, fix: `curl -i -X POST ${where}` }
    : { id: "export", level, subject: variable, says };
}

function nowhere(facts: Facts): Remark {
  for (const name of ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "DD_API_KEY"]) {
    const set = facts.deployment.variables.get(name);
    if (set !== undefined)
      return { id: "export", level: "ok", subject: name, says: `set in ${set.where}, not here: not asked` };
  }
  return {
    id: "export-nowhere",
    level: "note",
    subject: "metrics",
    says: "nothing is sent: no OTLP endpoint, no DD_API_KEY, no OpenTelemetry of the app; ledger and budgets work alone",
    fix: LOCAL,
  };
}
