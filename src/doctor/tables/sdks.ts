/** An SDK or a framework, how its calls are metered, and where the name of an agent is read. */
export interface Sdk {
  /** A package, or all that begin so: `@ai-sdk/*`. The first row that names a package is its own. */
  readonly package: string;
  /** Series that our tests run with real copies of it; none: it is not tried. */
  readonly tested: readonly string[];
  readonly metered: string;
  readonly named: string;
  /**
   * Who names its agents: `itself`, a `sign` in the sources, the app by `scope()`, or not here, because a package
   * that lies under another is named there.
   */
  readonly naming: "itself" | "sign" | "scope" | "elsewhere";
  readonly sign?: RegExp;
  /** Keeps the fetch that it finds when a client is built; others look for it at each call. */
  readonly keepsFetch?: true;
  /** The reader of `meter/identity/frameworks/` that reads those names. */
  readonly reader?: string;
  /** The line that names an agent. */
  readonly fix: string;
}

const AT_FETCH = "metered at fetch";
const SCOPE = 'await scope({ agent: "researcher" }, () => agent.run())';
const BY_SCOPE = "an agent is named by scope(), or by SPENDFUSE_AGENT";

const plain = (name: string, tested: readonly string[], metered = AT_FETCH): Sdk => ({
  package: name,
  tested,
  metered,
  named: BY_SCOPE,
  naming: "scope",
  fix: SCOPE,
});

const under = (name: string, tested: readonly string[], framework: string): Sdk => ({
  ...plain(name, tested),
  named: `an agent is named by ${framework}`,
  naming: "elsewhere",
});

/** Checked with the versions of the tests. What is not tried is known from the packages' code alone. */
export const SDKS: readonly Sdk[] = [
  { ...plain("openai", ["6", "7"]), keepsFetch: true },
  { ...plain("@anthropic-ai/sdk", ["1"]), keepsFetch: true },
  plain("@google/genai", ["3"]),
  plain("@mistralai/mistralai", ["2"]),
  {
    package: "@openai/agents",
    reader: "openai-agents",
    tested: ["0.19", "0.20"],
    metered: AT_FETCH,
    named: "the name of each Agent is read from its own tracing, also with tracing off",
    naming: "itself",
    fix: 'new Agent({ name: "researcher" })',
  },
  {
    package: "ai",
    reader: "ai-sdk",
    tested: ["6", "7"],
    metered: AT_FETCH,
    named: "telemetry.functionId is the name (version 6: experimental_telemetry)",
    naming: "sign",
    sign: /\bfunctionId\b/,
    fix: 'telemetry: { functionId: "researcher" }',
  },
  under("@ai-sdk/openai", ["3", "4"], "ai"),
  under("@ai-sdk/anthropic", ["4"], "ai"),
  under("@ai-sdk/*", [], "ai"),
  {
    package: "langchain",
    reader: "langchain",
    tested: ["1"],
    metered: AT_FETCH,
    named: "createAgent({ name }) is the name",
    naming: "itself",
    fix: 'createAgent({ name: "researcher" })',
  },
  {
    package: "@langchain/langgraph",
    reader: "langchain",
    tested: ["0.4", "1"],
    metered: AT_FETCH,
    named: "createAgent({ name }) is the name, of a plain graph the node",
    naming: "itself",
    fix: SCOPE,
  },
  {
    package: "@langchain/core",
    reader: "langchain",
    tested: ["0.3", "1"],
    metered: AT_FETCH,
    named: "metadata.agent of a run, or the frameworks over it",
    naming: "elsewhere",
    fix: SCOPE,
  },
  { ...under("@langchain/openai", ["0.6", "1"], "langchain"), keepsFetch: true },
  { ...under("@langchain/*", [], "langchain"), keepsFetch: true },
  {
    package: "@google/adk",
    reader: "google-adk",
    tested: ["1", "2"],
    metered: AT_FETCH,
    named: "the name is read in the request's instructions, or on its spans where OpenTelemetry is on",
    naming: "itself",
    fix: 'new LlmAgent({ name: "researcher" })',
  },
  {
    package: "@mastra/core",
    reader: "active-span",
    tested: ["1"],
    metered: `${AT_FETCH}, through the AI SDK's providers`,
    named: "the id of each Agent is read on the spans of @mastra/otel-bridge, where that is used",
    naming: "sign",
    sign: /\bOtelBridge\b/,
    fix: SCOPE,
  },
  plain("llamaindex", [], `${AT_FETCH}, through the vendors' SDKs`),
  plain("@llamaindex/*", [], `${AT_FETCH}, through the vendors' SDKs`),
];
