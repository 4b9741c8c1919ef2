/** An SDK or a framework that is metered at fetch, and how its agents are named. */
export interface Sdk {
  /** `*` at its end matches any rest; the first row that matches a package applies. */
  readonly package: string;
  /** Version series that our tests run with; empty: none. */
  readonly tested: readonly string[];
  readonly named: string;
  /** Who names its agents: the package `itself`, the `app`, or a framework over it (`elsewhere`). */
  readonly naming: "itself" | "app" | "elsewhere";
  /** The app's code that names an agent, besides `scope()`. */
  readonly sign?: RegExp;
  /** The reader of `meter/identity/frameworks/` that reads those names. */
  readonly reader?: string;
  /** The line that names an agent. */
  readonly fix: string;
}

const SCOPE = 'await scope({ agent: "researcher" }, () => agent.run())';

const plain = (name: string, ...tested: string[]): Sdk => ({
  package: name,
  tested,
  named: "an agent is named by scope(), or by SPENDFUSE_AGENT",
  naming: "app",
  fix: SCOPE,
});

const under = (framework: string, name: string, ...tested: string[]): Sdk => ({
  ...plain(name, ...tested),
  named: `an agent is named by ${framework}`,
  naming: "elsewhere",
});

export const SDKS: readonly Sdk[] = [
  plain("openai", "6", "7"),
  plain("@anthropic-ai/sdk", "1"),
  plain("@google/genai", "3"),
  plain("@mistralai/mistralai", "2"),
  {
    package: "@openai/agents",
    reader: "openai-agents",
    tested: ["0.19", "0.20"],
    named: "the name of each Agent is read from its own tracing, also with tracing off",
    naming: "itself",
    fix: 'new Agent({ name: "researcher" })',
  },
  {
    package: "ai",
    reader: "ai-sdk",
    tested: ["6", "7"],
    named: "telemetry.functionId is the name (version 6: experimental_telemetry)",
    naming: "app",
    sign: /\bfunctionId\b/,
    fix: 'telemetry: { functionId: "researcher" }',
  },
  under("ai", "@ai-sdk/openai", "3", "4"),
  under("ai", "@ai-sdk/anthropic", "4"),
  under("ai", "@ai-sdk/*"),
  {
    package: "langchain",
    reader: "langchain",
    tested: ["1"],
    named: "createAgent({ name }) is the name",
    naming: "itself",
    fix: 'createAgent({ name: "researcher" })',
  },
  {
    package: "@langchain/langgraph",
    reader: "langchain",
    tested: ["0.4", "1"],
    named: "createAgent({ name }) is the name, of a plain graph the node",
    naming: "itself",
    fix: SCOPE,
  },
  {
    ...under("metadata.agent of a run, or the frameworks over it", "@langchain/core", "0.3", "1"),
    reader: "langchain",
  },
  under("langchain", "@langchain/openai", "0.6", "1"),
  under("langchain", "@langchain/*"),
  {
    package: "@google/adk",
    reader: "google-adk",
    tested: ["1", "2"],
    named: "the name is read in the request's instructions, or on its spans where OpenTelemetry is on",
    naming: "itself",
    fix: 'new LlmAgent({ name: "researcher" })',
  },
  {
    package: "@mastra/core",
    reader: "active-span",
    tested: ["1"],
    named: "the id of each Agent is read on the spans of @mastra/otel-bridge, where that is used",
    naming: "app",
    sign: /\bOtelBridge\b/,
    fix: SCOPE,
  },
  plain("llamaindex"),
  plain("@llamaindex/*"),
];
