import type { Served } from "./gateway.ts";

/** Reads `vendor/model` as gateways write it; a model's own name may hold slashes too. */
export function servedAs(written: string | null | undefined): Served | undefined {
  if (written === undefined || written === null || written === "") return undefined;
  const slash = written.indexOf("/");
  if (slash <= 0) return { provider: undefined, model: written };
  return { provider: vendorName(written.slice(0, slash)), model: written.slice(slash + 1) || undefined };
}

/**
 * OpenTelemetry's names of vendors, by how gateways write them. What is not here is taken as it is written: its name is
 * then nobody's price.
 */
const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ai21: "ai21",
    azure: "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    azure_ai: "azure.ai.inference",
    azure_text: "azure.ai.openai",
    bedrock: "aws.bedrock",
    bedrock_converse: "aws.bedrock",
    codestral: "mistral_ai",
    cohere_chat: "cohere",
    fireworks_ai: "fireworks",
    "fireworks-ai": "fireworks",
    gemini: "gcp.gemini",
    github: "github",
    google: "gcp.gemini",
    mistral: "mistral_ai",
    "mistral-ai": "mistral_ai",
    moonshot: "moonshot_ai",
    nvidia_nim: "nvidia",
    "perplexity-ai": "perplexity",
    "text-completion-codestral": "mistral_ai",
    "text-completion-openai": "openai",
    together_ai: "together",
    "together-ai": "together",
    vertex_ai: "gcp.vertex_ai",
    "vertex-ai": "gcp.vertex_ai",
    vertex_ai_beta: "gcp.vertex_ai",
    voyage: "voyageai",
    "x-ai": "x_ai",
    xai: "x_ai",
  }),
);

/** The same where what stands before the slash is a name of the operator's own, unless it is a vendor's. */
export function servedByName(written: string | null | undefined): Served | undefined {
  const served = servedAs(written);
  return served && { ...served, provider: KNOWN.has(served.provider ?? "") ? served.provider : undefined };
}

/** Names that gateways and OpenTelemetry share, and what the others become. */
const KNOWN: ReadonlySet<string> = new Set(["openai", "anthropic", "cohere", "groq", "deepseek", ...NAMES.values()]);

function vendorName(written: string): string {
  return NAMES.get(written.toLowerCase()) ?? written.toLowerCase();
}
