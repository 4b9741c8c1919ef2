import { isBelow } from "../facts/version.ts";
import { type Facts, hasVersion, isUsed } from "../facts.ts";

/** Another instrumentation that may see the same calls. */
export interface Instrumentation {
  /** A package, or all that begin so: the row holds once for all of them. */
  readonly package: string;
  readonly title: string;
  /** Why nothing is counted twice. */
  readonly beside: string;
  /** The reader of `meter/identity/frameworks/` that reads names of agents in it. */
  readonly reader?: string;
  /** Exports metrics of the whole app, ours in them. */
  readonly exportsMetrics?: true;
  readonly defects?: readonly Defect[];
}

/** Something that it is known to do wrong; measured with the versions that are named. */
export interface Defect {
  readonly id: "instrumentation-blind" | "instrumentation-defect";
  readonly says: string;
  readonly fix: string;
  holds(facts: Facts): boolean;
}

const FILLS = "its span of a call is filled with agent and cost, none is added; the call stays one record and one cost";
const HTTP = "makes spans of HTTP requests and counts no tokens; the call stays one record and one cost";

const openaiIs7 = (facts: Facts): boolean => hasVersion(facts, "openai", (version) => !isBelow(version, "7"));
const anthropicIs1 = (facts: Facts): boolean =>
  hasVersion(facts, "@anthropic-ai/sdk", (version) => !isBelow(version, "1"));
const isUnder = (facts: Facts, name: string, floor: string): boolean =>
  hasVersion(facts, name, (version) => isBelow(version, floor));

export const INSTRUMENTATIONS: readonly Instrumentation[] = [
  {
    package: "@opentelemetry/sdk-node",
    title: "OpenTelemetry SDK",
    beside: "your providers are found and used, ours stay off: each call is exported once",
    exportsMetrics: true,
  },
  {
    package: "@opentelemetry/sdk-metrics",
    title: "OpenTelemetry metrics",
    beside: "your meter provider is found and used, ours stays off: each call is exported once",
    exportsMetrics: true,
  },
  {
    package: "@opentelemetry/auto-instrumentations-node",
    title: "OpenTelemetry's automatic instrumentations",
    beside: HTTP,
    exportsMetrics: true,
  },
  { package: "@opentelemetry/instrumentation-undici", title: "OpenTelemetry's undici instrumentation", beside: HTTP },
  { package: "@opentelemetry/instrumentation-http", title: "OpenTelemetry's http instrumentation", beside: HTTP },
  {
    package: "@opentelemetry/instrumentation-openai",
    title: "OpenTelemetry's openai instrumentation",
    beside: FILLS,
    defects: [
      {
        id: "instrumentation-blind",
        says: "declares openai below 7 and records nothing with openai 7, without a warning; we meter it all the same",
        fix: "npm uninstall @opentelemetry/instrumentation-openai",
        holds: (facts) => openaiIs7(facts) && isUnder(facts, "@opentelemetry/instrumentation-openai", "1"),
      },
    ],
  },
  {
    package: "@traceloop/*",
    title: "Traceloop",
    beside: FILLS,
    defects: [
      {
        id: "instrumentation-blind",
        says: "its openai instrumentation declares openai below 7 and records nothing with openai 7; we meter it all the same",
        fix: "npm install @traceloop/node-server-sdk@latest",
        holds: (facts) =>
          openaiIs7(facts) &&
          (isUnder(facts, "@traceloop/instrumentation-openai", "1") ||
            isUnder(facts, "@traceloop/node-server-sdk", "1")),
      },
      {
        id: "instrumentation-defect",
        says: "its anthropic instrumentation below 1 throws when it is loaded beside @anthropic-ai/sdk 1",
        fix: "npm install @traceloop/node-server-sdk@latest",
        holds: (facts) => anthropicIs1(facts) && isUnder(facts, "@traceloop/instrumentation-anthropic", "1"),
      },
    ],
  },
  {
    package: "@arizeai/openinference-instrumentation-*",
    title: "OpenInference",
    beside: FILLS,
    defects: [
      {
        id: "instrumentation-defect",
        says: "it reads every stream to its end by itself: break or abort does not stop the vendor, and keeps costing",
        fix: "npm uninstall @arizeai/openinference-instrumentation-openai",
        holds: (facts) => isUsed(facts, "@arizeai/openinference-instrumentation-*"),
      },
    ],
  },
  {
    package: "openlit",
    title: "OpenLIT",
    beside: FILLS,
    defects: [
      {
        id: "instrumentation-defect",
        says: "it changes the caller's tools, and breaks .withResponse() and messages.stream() of the SDKs",
        fix: "npm uninstall openlit",
        holds: (facts) => isUsed(facts, "openlit"),
      },
    ],
  },
  {
    package: "@langfuse/*",
    title: "Langfuse",
    beside: FILLS,
    defects: [
      {
        id: "instrumentation-defect",
        says: "its wrapper of openai breaks .withResponse() and .stream(); a stream that is broken off leaves no record there",
        fix: "const client = new OpenAI()",
        holds: (facts) => isUsed(facts, "@langfuse/openai"),
      },
    ],
  },
  { package: "langfuse", title: "Langfuse", beside: FILLS },
  { package: "@sentry/node", title: "Sentry", beside: FILLS },
  {
    package: "dd-trace",
    reader: "dd-trace",
    title: "dd-trace",
    beside:
      "its span of a call is filled with agent and cost; LLM Observability's own cost is an estimate of Datadog's, beside ours",
  },
  { package: "logfire", title: "Logfire", beside: FILLS },
  { package: "@pydantic/logfire-node", title: "Logfire", beside: FILLS },
  { package: "@ai-sdk/otel", title: "the AI SDK's spans", beside: FILLS },
];
