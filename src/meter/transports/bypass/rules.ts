import { createRouter, patternOf } from "../../wire/endpoints.ts";
import type { WireFormat } from "../../wire/formats/format.ts";
import type { Host } from "../../wire/hosts.ts";

/** A request that leaves the process, as far as it matters whether it costs money. */
export interface Sent {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** It asks for a WebSocket. */
  readonly socket: boolean;
  header(name: string): string | undefined;
}

/** How a request left the process. */
export type Way = "undici" | "http" | "http2" | "websocket";

/** Why a request that costs money was not metered: by the way it took, or because no wire format reads that API. */
export type Reason = { readonly way: Way } | { readonly api: string };

/**
 * What costs money at a model host, by path, and is in no wire format of ours. OpenAI's, Google's, Anthropic's, Bedrock's and
 * the AI Gateway's paths were compared with their SDKs for the most part; those of the other vendors are unconfirmed.
 */
export const UNREAD_APIS: readonly {
  readonly api: string;
  readonly path: RegExp;
  /** The only vendor at which this path costs anything. */
  readonly provider?: string;
}[] = [
  {
    api: "Vertex AI by gRPC",
    path: /\/google\.cloud\.aiplatform\.\w+\.(?:PredictionService|LlmUtilityService)\/\w*(?:Predict|GenerateContent)$/,
  },
  {
    api: "Gemini by gRPC",
    path: /\/google\.ai\.generativelanguage\.\w+\.\w+Service\/\w*(?:Predict\w*|GenerateContent|GenerateAnswer|EmbedContents?)$/,
  },
  { api: "Bedrock", path: /\/(?:async-invoke|model-invocation-job)$/ },
  {
    api: "Bedrock bidirectional stream",
    path: /\/model\/.+\/invoke-with-bidirectional-stream$/,
    provider: "aws.bedrock",
  },
  {
    api: "Bedrock guardrail",
    path: /\/guardrail(?:\/.+\/version\/[^/]+\/apply|-checks\/invoke)$/,
    provider: "aws.bedrock",
  },
  {
    api: "Bedrock agents",
    path: /\/agents\/[^/]+(?:\/agentAliases\/[^/]+\/sessions\/[^/]+\/text)?$/,
    provider: "aws.bedrock",
  },
  { api: "Bedrock flows", path: /\/flows\/[^/]+\/aliases\/[^/]+(?:\/executions)?$/, provider: "aws.bedrock" },
  {
    api: "Bedrock knowledge bases",
    path: /\/(?:retrieveAndGenerate(?:Stream)?|agenticRetrieveStream|knowledgebases\/[^/]+\/(?:retrieve|generateQuery)|generateQuery)$/,
    provider: "aws.bedrock",
  },
  { api: "Bedrock prompt optimization", path: /\/optimize-prompt$/, provider: "aws.bedrock" },
  { api: "images", path: /\/images\/(?:generations|edits|variations)$/ },
  { api: "audio", path: /\/audio\/(?:speech|transcriptions|translations)$/ },
  { api: "videos", path: /\/videos(?:\/generations|\/edits|\/extensions|\/[^/]+\/remix)?$/ },
  { api: "realtime", path: /\/realtime\/calls$/ },
  { api: "completions", path: /\/completions$/ },
  { api: "compaction", path: /\/responses\/compact$/ },
  {
    api: "batch",
    path: /\/(?:batches|batch\/jobs|batchPredictionJobs)$|:(?:batchGenerateContent|asyncBatchEmbedContent)$/,
  },
  { api: "tuning", path: /\/(?:fine_tuning\/jobs|tuningJobs)$/ },
  { api: "threads", path: /\/threads(?:\/[^/]+)?\/runs$/ },
  { api: "conversations", path: /\/conversations(?:\/[^/]+)?$/, provider: "mistral_ai" },
  { api: "interactions", path: /\/interactions$/, provider: "gcp.gemini" },
  { api: "OCR", path: /\/ocr$/ },
  { api: "embed", path: /\/embed$|:(?:embedContent|batchEmbedContents)$/ },
  { api: "rerank", path: /\/rerank$/ },
  { api: "Cohere chat", path: /\/v[12]\/chat$/ },
  { api: "predict", path: /:(?:predict|predictLongRunning|serverStreamingPredict|rawPredict|streamRawPredict)$/ },
  { api: "AI Gateway", path: /\/(?:language|embedding|image|video|reranking)-model$/ },
  { api: "DashScope", path: /\/services\/(?:aigc|audio|embeddings|rerank)\// },
  { api: "Cortex", path: /\/cortex\/inference:(?:complete|embed)$/ },
];

/** WebSockets with an unambiguous path at any host: OpenAI's Realtime and compatible APIs, Gemini's Live. */
export const OWN_SOCKETS = /\/(?:v1|openai)\/realtime$|\.BidiGenerateContent(?:Constrained)?$/;

/**
 * Why a request costs money without being metered, unless it is ours; undefined when it costs nothing. On
 * a known host the path decides, on others only an unambiguous path does.
 */
export function createReasoning(
  formats: readonly WireFormat[],
): (sent: Sent, way: Way, host: Host | undefined) => Reason | undefined {
  const findRoute = createRouter(formats);
  const evidence = evidenceOf(formats);
  // The one check that most other requests cost.
  const hint = new RegExp(evidence.map(({ path }) => path.source).join("|") || "(?!)");

  return (sent, way, host) => {
    const { method, path } = sent;
    if (sent.socket) return host !== undefined || OWN_SOCKETS.test(path) ? { way: "websocket" } : undefined;
    if (method !== "POST") return undefined;
    if (host === undefined) {
      if (!hint.test(path)) return undefined;
      const own = evidence.find((row) => row.path.test(path));
      return own && (own.header === undefined || sent.header(own.header) !== undefined) ? { way } : undefined;
    }
    if (findRoute("POST", path) !== undefined) return { way };
    const unread = UNREAD_APIS.find(
      (row) => row.path.test(path) && (row.provider === undefined || row.provider === host.provider),
    );
    return unread && { api: unread.api };
  };
}

/** What makes a POST surely a call of one of these formats, at a host that we do not know. */
function evidenceOf(formats: readonly WireFormat[]): readonly { readonly path: RegExp; readonly header?: string }[] {
  return formats.flatMap(({ endpoints }) =>
    endpoints.flatMap(({ method, path, evidence }) =>
      method === "POST" && evidence !== undefined ? [{ ...evidence, path: patternOf(evidence.path ?? path) }] : [],
    ),
  );
}

const WAYS: Readonly<Record<Way, { readonly name: string; readonly fix: string }>> = {
  undici: {
    name: "a copy of the undici package that is switched off or bundled into the app, or a fetch taken before spendfuse began",
    fix: 'take "undici" out of transportsOff in spendfuse.config.json, use globalThis.fetch, or give the client wrapFetch(fetch) around the one that it uses',
  },
  http: {
    name: "node:http, as axios and others do",
    fix: 'take "node-http" out of transportsOff in spendfuse.config.json, or start spendfuse before the request is made',
  },
  http2: {
    name: "node:http2, as the AWS SDK and others do",
    fix: 'take "http2" out of transportsOff in spendfuse.config.json, or start spendfuse before the request is made',
  },
  websocket: {
    name: "a WebSocket that is neither Node's own nor the ws package's, or of an API that this version does not read",
    fix: "use one of those, or set a limit at the vendor: the bill shows it as ungoverned",
  },
};

/** Logged once per host, with the fix. */
export function warningOf(host: string, reason: Reason): string {
  const rest = "spendfuse.unmetered_calls counts what goes to this host";
  if ("way" in reason) {
    const { name, fix } = WAYS[reason.way];
    return `a model call to ${host} was not metered: it went through ${name}; ${fix}. ${rest}`;
  }
  return `a model call to ${host} was not metered: this version does not read the ${reason.api} API; set a limit at the vendor, the bill shows it as ungoverned. ${rest}`;
}
