import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { needApp } from "../apps/installed.ts";
import { QUIET } from "./frameworks/quiet.ts";
import { type Metered, runApp } from "./frameworks/run-app.ts";

const PROJECT = "instrumentations";
const APP = `${PROJECT}.cjs`;
const COST = "gen_ai.usage.cost.amount";

/** A span as its library exports it. */
interface Span {
  /** The instrumentation, or the component of Datadog's. */
  readonly by: string;
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface Row {
  readonly says: string;
  readonly on: string;
  /** Spans of ours that carry a cost: of calls for which no other library has a span, or one that never ends. */
  readonly ours: number;
  /** Calls whose stream is broken off, as the vendor sees it: 2 by default. */
  readonly canceled?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * The app makes 13 calls: 6 with OpenAI's SDK and 4 with Anthropic's, of which one each is broken off, and 3 with the AI
 * SDK. Anthropic's SDK has spans of its own wherever there is an OpenTelemetry. One of OpenAI's streams has arrived
 * in one piece when its reader leaves: the call is complete, and most instrumentations never end its span.
 */
const ROWS: readonly Row[] = [
  {
    says: "dd-trace, OpenTelemetry's instrumentation, the Anthropic SDK's own and the AI SDK's own, all four",
    on: "dd-trace opentelemetry instrumentation-openai ai-sdk-otel",
    ours: 1,
  },
  {
    says: "dd-trace with LLM Observability",
    on: "dd-trace",
    ours: 1,
    env: { DD_LLMOBS_ENABLED: "true", DD_LLMOBS_ML_APP: "app" },
  },
  { says: "dd-trace alone", on: "dd-trace", ours: 1 },
  {
    says: "dd-trace as the provider of OpenTelemetry",
    on: "dd-trace-as-opentelemetry ai-sdk-otel",
    ours: 1,
  },
  { says: "Traceloop", on: "opentelemetry traceloop", ours: 4 },
  { says: "OpenInference", on: "opentelemetry openinference", ours: 3, canceled: 0 },
];

describe("with other instrumentations in the process each call is one record, one cost and one span", () => {
  test.for(ROWS)("$says", async (row, context) => {
    const { says, on, ours, canceled = 2, env } = row;
    const cwd = await needApp(context, PROJECT);
    // The project is shared with whatever other checkout is being tested.
    const program = join(cwd, `${process.pid}-${APP}`);
    const file = join(cwd, `${process.pid}-spans.json`);
    copyFileSync(join(import.meta.dirname, "frameworks/apps", APP), program);
    onTestFinished(() => {
      for (const path of [program, file]) rmSync(path, { force: true });
    });
    const play = async (bare: boolean) => {
      const { asked, metered, output } = await runApp(program, {
        cwd,
        bare,
        env: { INSTRUMENTATIONS: on, SPANS: file, SPENDFUSE_AGENT: "bot", ...QUIET, ...env },
      });
      return {
        asked,
        metered,
        spans: [...(JSON.parse(readFileSync(file, "utf8")) as Span[]), ...datadogSpans(output)],
      };
    };
    const { asked, metered, spans } = await play(false);

    expect(metered.filter(({ ending }) => ending === "canceled")).toHaveLength(canceled);
    expect(agentsOf(metered)).toEqual(agentsOf(asked.map((one) => ({ ...one, scope: one }))));
    const costs = spans.filter((span) => span.attributes[COST] !== undefined);
    expect(sorted(costs.map((span) => Number(span.attributes[COST])))).toEqual(
      sorted(metered.map(({ costUsd }) => costUsd ?? 0)),
    );
    expect(costs.filter(({ by }) => by === "spendfuse")).toHaveLength(ours);

    // What each instrumentation says without us it says with us.
    const { spans: bare } = await play(true);
    const left = [...spans];
    for (const span of bare) {
      const at = left.findIndex((other) => saysAll(other, span));
      expect(at, `${span.by}: ${span.name} ${JSON.stringify(steady(span))}`).toBeGreaterThanOrEqual(0);
      left.splice(at, 1);
    }
    expect(bare.length).toBeGreaterThan(12);
    console.log(`${says}: ${asked.length} calls, ${metered.length} records, ${costs.length} spans with a cost;`);
    console.log(`  all ${bare.length} spans of the instrumentations as without us`);
  });
});

interface DatadogSpan {
  readonly name: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, number>>;
}

/** What Datadog's tracer writes to stdout instead of to an Agent. */
function datadogSpans(output: string): Span[] {
  return output
    .split("\n")
    .filter((line) => line.startsWith('{"traces"'))
    .flatMap((line) => (JSON.parse(line) as { traces: DatadogSpan[][] }).traces.flat())
    .map(({ name, meta, metrics }) => ({ by: String(meta.component), name, attributes: { ...meta, ...metrics } }));
}

/** What does not change from run to run. */
function steady({ attributes }: Span): Readonly<Record<string, unknown>> {
  const entries = Object.entries(attributes).filter(([name, value]) => {
    if (/duration|time_to|_id$|-id$|port|peer|url|_dd\.(?!integration)|_sampling|http\.route/.test(name)) return false;
    return !String(value).includes("127.0.0.1");
  });
  return Object.fromEntries(entries);
}

/** Whether a span says all that another one says. */
function saysAll(span: Span, wanted: Span): boolean {
  if (span.by !== wanted.by || span.name !== wanted.name) return false;
  return Object.entries(steady(wanted)).every(([name, value]) => isDeepStrictEqual(span.attributes[name], value));
}

type Told = Pick<Metered, "responseId"> & { readonly scope: { readonly agent: string; readonly rootAgent: string } };

function agentsOf(calls: readonly Told[]): readonly string[] {
  return sorted(calls.map(({ responseId, scope }) => `${responseId}: ${scope.agent} of ${scope.rootAgent}`));
}

function sorted<Value>(values: readonly Value[]): Value[] {
  return values.toSorted((one, other) => (one < other ? -1 : 1));
}
