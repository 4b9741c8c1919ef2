import { setBounded } from "../../core/bounded-map.ts";

/** A host of model APIs, and how it differs from the vendor whose wire format it uses. */
export interface Host {
  /** Exact name, or `*.suffix`, or either with `:port`. */
  readonly host: string;
  /** The vendor by its OpenTelemetry name. */
  readonly provider: string;
  /** The vendor's id in `@pydantic/genai-prices`, where it differs from what `provider` maps to. */
  readonly priceId?: string;
  /** `stream_options.include_usage` is known to be taken here and needed: without it a stream reports nothing. */
  readonly asksUsage?: boolean;
  /** `regional` where the vendor charges more for processing in a region, or might. A path may name another one. */
  readonly geo?: string;
  /** `completion_tokens` does not contain the reasoning tokens here. */
  readonly reasoningApart?: boolean;
  /** It serves subscriptions only: its calls are on no bill by use. */
  readonly plan?: true;
}

/** Of AWS's partitions, for each the domain of IPv4 and that of both: as its SDKs know them, in version 3.1164. */
const AWS_DOMAINS = [
  ...["amazonaws.com", "api.aws", "amazonaws.com.cn", "api.amazonwebservices.com.cn"],
  ...["amazonaws.eu", "api.amazonwebservices.eu", "c2s.ic.gov", "api.aws.ic.gov", "sc2s.sgov.gov", "api.aws.scloud"],
  ...["cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "csp.hci.ic.gov", "api.aws.hci.ic.gov"],
];
/** With `-fips` or not. `bedrock-mantle` speaks the wire formats of other vendors. */
const BEDROCK_SERVICES = ["bedrock-runtime", "bedrock-agent-runtime", "bedrock-mantle"];
/** A private endpoint has a name of its own before the service's. */
const PRIVATE_DOMAINS = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu"];
const BEDROCK_HOSTS: readonly Host[] = BEDROCK_SERVICES.flatMap((service) =>
  [
    ...AWS_DOMAINS.map((domain) => `${service}*.${domain}`),
    ...PRIVATE_DOMAINS.map((domain) => `*.${service}*.vpce.${domain}`),
  ].map((host) => ({ host, provider: "aws.bedrock" })),
);

/**
 * Hosts we know. Other hosts are metered too, by their path; they are asked for usage only where their
 * answers show a gateway that takes the question, because some answer 400.
 * Hosts without `asksUsage` report usage in the last chunk by themselves, or are not known to take the question.
 */
export const HOSTS: readonly Host[] = [
  { host: "api.openai.com", provider: "openai", asksUsage: true },
  { host: "*.api.openai.com", provider: "openai", asksUsage: true, geo: "regional" },
  { host: "chatgpt.com", provider: "openai", plan: true },
  { host: "api.anthropic.com", provider: "anthropic" },
  { host: "generativelanguage.googleapis.com", provider: "gcp.gemini", asksUsage: true },
  { host: "cloudcode-pa.googleapis.com", provider: "gcp.gemini", plan: true },
  { host: "aiplatform.googleapis.com", provider: "gcp.vertex_ai", asksUsage: true },
  { host: "aiplatform.*.rep.googleapis.com", provider: "gcp.vertex_ai", asksUsage: true, geo: "regional" },
  { host: "*.aiplatform.googleapis.com", provider: "gcp.vertex_ai", asksUsage: true, geo: "regional" },
  { host: "*-aiplatform.googleapis.com", provider: "gcp.vertex_ai", asksUsage: true, geo: "regional" },
  { host: "*.openai.azure.com", provider: "azure.ai.openai", asksUsage: true },
  { host: "*.services.ai.azure.com", provider: "azure.ai.inference" },
  { host: "*.cognitiveservices.azure.com", provider: "azure.ai.openai" },
  { host: "openrouter.ai", provider: "openrouter", asksUsage: true },
  { host: "api.groq.com", provider: "groq" },
  { host: "api.mistral.ai", provider: "mistral_ai" },
  { host: "codestral.mistral.ai", provider: "mistral_ai" },
  { host: "api.deepseek.com", provider: "deepseek", asksUsage: true },
  { host: "api.x.ai", provider: "x_ai", reasoningApart: true },
  { host: "*.api.x.ai", provider: "x_ai", reasoningApart: true },
  { host: "api.cerebras.ai", provider: "cerebras" },
  { host: "api.together.xyz", provider: "together" },
  { host: "api.together.ai", provider: "together" },
  { host: "us-api.together.ai", provider: "together", geo: "regional" },
  { host: "ca-api.together.ai", provider: "together", geo: "regional" },
  { host: "api.fireworks.ai", provider: "fireworks" },
  { host: "router.huggingface.co", provider: "huggingface" },
  { host: "api.perplexity.ai", provider: "perplexity" },
  { host: "api.moonshot.ai", provider: "moonshot_ai" },
  { host: "api.moonshot.cn", provider: "moonshot_ai" },
  { host: "api.z.ai", provider: "zai" },
  { host: "api.cohere.com", provider: "cohere" },
  { host: "dashscope-intl.aliyuncs.com", provider: "dashscope" },
  { host: "dashscope.aliyuncs.com", provider: "dashscope" },
  { host: "api.novita.ai", provider: "novita" },
  { host: "api.studio.nebius.com", provider: "nebius" },
  { host: "integrate.api.nvidia.com", provider: "nvidia" },
  { host: "api.sambanova.ai", provider: "sambanova" },
  { host: "models.github.ai", provider: "github" },
  { host: "us.inference.heroku.com", provider: "heroku" },
  { host: "*.snowflakecomputing.com", provider: "snowflake" },
  ...BEDROCK_HOSTS,
  { host: "ai-gateway.vercel.sh", provider: "vercel" },
  { host: "gateway.ai.cloudflare.com", provider: "cloudflare" },
  { host: "api.portkey.ai", provider: "portkey" },
];

export type HostLookup = (host: string) => Host | undefined;

/** Finds the row of a host; rows of the caller come before ours. */
export function createHostLookup(own: readonly Host[] = []): HostLookup {
  const exact = new Map<string, Host>();
  const patterns: { readonly test: RegExp; readonly row: Host }[] = [];
  for (const row of [...own, ...HOSTS]) {
    if (row.host.includes("*")) patterns.push({ test: pattern(row.host), row });
    else if (!exact.has(row.host)) exact.set(row.host, row);
  }
  const found = new Map<string, Host | undefined>();

  return (host) => {
    if (found.has(host)) return found.get(host);
    const bare = host.replace(/:\d+$/, "");
    const row = exact.get(host) ?? exact.get(bare) ?? patterns.find((p) => p.test.test(host) || p.test.test(bare))?.row;
    setBounded(found, host, row, MAX_REMEMBERED);
    return row;
  };
}

const MAX_REMEMBERED = 1_000;

/** Whether a host is one of these, which are written as {@link Host.host} is. */
export function createHostTest(hosts: readonly string[]): (host: string) => boolean {
  const tests = hosts.map(pattern);
  return (host) => tests.some((test) => test.test(host) || test.test(host.replace(/:\d+$/, "")));
}

function pattern(host: string): RegExp {
  const source = host.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replace(/\*/g, "[a-z0-9.-]+");
  return new RegExp(`^${source}$`, "i");
}
