/** An SDK or a framework that is metered at fetch, and how its agents are named. */
export interface Sdk {
  /** `*` at its end matches any rest; the first row that matches a package applies. */
  readonly package: string;
  /** Version series that our tests run with; empty: none. */
  readonly tested: readonly string[];
  /** The framework over it, which names agents. */
  readonly under?: string;
  /** The app's code by which it names an agent; absent: only `scope()` does. */
  readonly names?: string;
  /** How the app's code shows that it names agents; absent: with `names` it always does. */
  readonly sign?: RegExp;
  /** The reader of `meter/identity/frameworks/` that reads those names. */
  readonly reader?: string;
}

const CREATE_AGENT = 'createAgent({ name: "researcher" })';

export const SDKS: readonly Sdk[] = [
  { package: "openai", tested: ["4", "6", "7"] },
  { package: "@anthropic-ai/sdk", tested: ["1"] },
  { package: "@anthropic-ai/bedrock-sdk", tested: ["1"] },
  { package: "@google/genai", tested: ["3"] },
  { package: "@mistralai/mistralai", tested: ["2"] },
  {
    package: "@openai/agents",
    tested: ["0.19", "0.20"],
    reader: "openai-agents",
    names: 'new Agent({ name: "researcher" })',
  },
  {
    package: "ai",
    tested: ["6", "7"],
    reader: "ai-sdk",
    names: 'telemetry: { functionId: "researcher" }',
    sign: /\bfunctionId\b/,
  },
  { package: "@ai-sdk/openai", tested: ["3", "4"], under: "ai" },
  { package: "@ai-sdk/anthropic", tested: ["4"], under: "ai" },
  { package: "@ai-sdk/amazon-bedrock", tested: ["5"], under: "ai" },
  { package: "@ai-sdk/*", tested: [], under: "ai" },
  { package: "langchain", tested: ["1"], reader: "langchain", names: CREATE_AGENT },
  { package: "@langchain/langgraph", tested: ["0.4", "1"], reader: "langchain", names: CREATE_AGENT },
  { package: "@langchain/core", tested: ["0.3", "1"], reader: "langchain", under: "langchain" },
  { package: "@langchain/openai", tested: ["0.6", "1"], under: "langchain" },
  { package: "@langchain/aws", tested: ["1"], under: "langchain" },
  { package: "@langchain/*", tested: [], under: "langchain" },
  { package: "@google/adk", tested: ["1", "2"], reader: "google-adk", names: 'new LlmAgent({ name: "researcher" })' },
  // The id of each agent is read on the bridge's spans.
  { package: "@mastra/core", tested: ["1"], reader: "active-span", sign: /\bOtelBridge\b/ },
  { package: "llamaindex", tested: [] },
  { package: "@llamaindex/*", tested: [] },
];
