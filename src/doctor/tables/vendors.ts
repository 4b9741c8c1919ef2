/** A vendor whose key the environment may hold, and how to ask whether the vendor takes it. */
export interface Vendor {
  readonly name: string;
  /** Variables of the key; the first that is set is checked. */
  readonly keys: readonly string[];
  /** Variables that stand for another way of signing in, with which no key is needed. */
  readonly instead: readonly string[];
  /** The variable of the address, and its default: a host that the meter knows. */
  readonly url: string;
  readonly origin: string;
  /** Lists the models: free, and nothing is changed. */
  readonly path: string;
  readonly headers: (key: string) => Readonly<Record<string, string>>;
  /** Statuses that mean: not this key. */
  readonly rejects: readonly number[];
  /** Packages that use this key by themselves. */
  readonly packages: readonly string[];
}

export const VENDORS: readonly Vendor[] = [
  {
    name: "OpenAI",
    keys: ["OPENAI_API_KEY"],
    instead: ["AZURE_OPENAI_API_KEY"],
    url: "OPENAI_BASE_URL",
    origin: "https://api.openai.com/v1",
    path: "/models",
    headers: (key) => ({ authorization: `Bearer ${key}` }),
    rejects: [401, 403],
    packages: ["openai", "@openai/agents", "@ai-sdk/openai", "@langchain/openai"],
  },
  {
    name: "Anthropic",
    keys: ["ANTHROPIC_API_KEY"],
    instead: ["ANTHROPIC_AUTH_TOKEN"],
    url: "ANTHROPIC_BASE_URL",
    origin: "https://api.anthropic.com",
    path: "/v1/models",
    headers: (key) => ({ "x-api-key": key, "anthropic-version": "2023-06-01" }),
    rejects: [401, 403],
    packages: ["@anthropic-ai/sdk", "@ai-sdk/anthropic", "@langchain/anthropic"],
  },
  {
    name: "Google",
    keys: ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    instead: ["GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_GENERATIVE_AI_API_KEY"],
    url: "GOOGLE_GEMINI_BASE_URL",
    origin: "https://generativelanguage.googleapis.com",
    path: "/v1beta/models",
    headers: (key) => ({ "x-goog-api-key": key }),
    // A key that is none is a 400 here.
    rejects: [400, 401, 403],
    packages: ["@google/genai", "@google/adk"],
  },
];
