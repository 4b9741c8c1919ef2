/** Another instrumentation that may see the same calls. */
export interface Instrumentation {
  /** `*` at its end matches any rest; the row is shown once for all packages of it. */
  readonly package: string;
  /** Why nothing is counted twice. */
  readonly beside: string;
  /** The reader of `meter/identity/frameworks/` that reads names of agents in it. */
  readonly reader?: string;
  /** It exports the app's metrics, ours included. */
  readonly exportsMetrics?: true;
  readonly defects?: readonly Defect[];
}

/** A known defect, measured with the versions below `below`. */
export interface Defect {
  readonly id: "instrumentation-blind" | "instrumentation-defect";
  /** The package that has it, where the row has several. */
  readonly in?: string;
  readonly below: string;
  /** Only beside this package, from this version on. */
  readonly with?: readonly [name: string, from: string];
  readonly says: string;
  readonly fix: string;
}

const OWN_EXPORT = "your provider is found and used, ours stays off: each call is exported once";
const HTTP = "makes spans of HTTP requests and counts no tokens; the call stays one record and one cost";
const FILLS = "its span of a call is filled with agent and cost, none is added; the call stays one record and one cost";

const fills = (name: string, ...defects: Defect[]): Instrumentation => ({
  package: name,
  beside: FILLS,
  defects,
});

const OPENAI_7 = "records nothing with openai 7, without a warning; we meter it all the same";

export const INSTRUMENTATIONS: readonly Instrumentation[] = [
  { package: "@opentelemetry/sdk-node", beside: OWN_EXPORT, exportsMetrics: true },
  { package: "@opentelemetry/sdk-metrics", beside: OWN_EXPORT, exportsMetrics: true },
  { package: "@opentelemetry/auto-instrumentations-node", beside: HTTP, exportsMetrics: true },
  { package: "@opentelemetry/instrumentation-undici", beside: HTTP },
  { package: "@opentelemetry/instrumentation-http", beside: HTTP },
  fills("@opentelemetry/instrumentation-openai", {
    id: "instrumentation-blind",
    below: "1",
    with: ["openai", "7"],
    says: OPENAI_7,
    fix: "npm uninstall @opentelemetry/instrumentation-openai",
  }),
  fills(
    "@traceloop/*",
    {
      id: "instrumentation-blind",
      in: "@traceloop/node-server-sdk",
      below: "1",
      with: ["openai", "7"],
      says: OPENAI_7,
      fix: "npm install @traceloop/node-server-sdk@latest",
    },
    {
      id: "instrumentation-defect",
      in: "@traceloop/node-server-sdk",
      below: "1",
      with: ["@anthropic-ai/sdk", "1"],
      says: "its anthropic instrumentation throws when it is loaded beside @anthropic-ai/sdk 1",
      fix: "npm install @traceloop/node-server-sdk@latest",
    },
  ),
  fills("@arizeai/openinference-instrumentation-*", {
    id: "instrumentation-defect",
    below: "5",
    says: "reads every stream to its end: break or abort does not stop the vendor, which keeps charging",
    fix: "npm uninstall @arizeai/openinference-instrumentation-openai",
  }),
  fills("openlit", {
    id: "instrumentation-defect",
    below: "2",
    says: "changes the caller's tools, and breaks .withResponse() and messages.stream() of the SDKs",
    fix: "npm uninstall openlit",
  }),
  fills("@langfuse/*", {
    id: "instrumentation-defect",
    in: "@langfuse/openai",
    below: "6",
    says: "its wrapper of openai breaks .withResponse() and .stream(), and records no interrupted stream",
    fix: "const client = new OpenAI()",
  }),
  {
    package: "dd-trace",
    reader: "dd-trace",
    beside: "its span of a call is filled with agent and cost, and so is LLM Observability's",
  },
  ...["langfuse", "@sentry/node", "logfire", "@pydantic/logfire-node", "@ai-sdk/otel"].map((name) => fills(name)),
];
