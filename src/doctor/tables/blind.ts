/** Why calls by a transport that the meter lacks are not seen. With the transport, its line and its rows go. */
export const MISSING_TRANSPORTS = {
  copilot: "a process of its own calls GitHub's servers, which the proxy does not carry",
  http2: "calls go over HTTP/2, not through fetch",
  "node-http": "calls do not go through the global fetch: they are counted as unmetered, without a price",
  websocket: "it runs over a WebSocket, which is not metered",
} as const;

/** What is missing: a transport, or a wire format for an API, by its name in `UNREAD_APIS`. */
type Missing = { readonly fix: string } & (
  | { readonly transport: keyof typeof MISSING_TRANSPORTS }
  | { readonly api: string }
);

/** A package whose calls are not metered; `*` at its end matches any rest. */
export type BlindPackage = Missing & { readonly package: string };

/** A use of a package that is not metered: a file with such an import and, if given, the sign. */
export type BlindWay = Missing & {
  readonly name: string;
  readonly imports: RegExp;
  /** In the code; or the code before a string, and the string. */
  readonly sign?: RegExp | readonly [before: RegExp, text: RegExp];
};

/** An HTTP client that does not use the global fetch, in a file that names a model's host. */
export type BlindClient = Missing & {
  readonly package: string;
  /** Code that routes it through fetch or `wrapFetch()`. */
  readonly seen?: RegExp;
};

export function whyOf(missing: Missing): string {
  return "api" in missing ? `the ${missing.api} API is not read yet` : MISSING_TRANSPORTS[missing.transport];
}

const POLL = "npx spendfuse poll --every 5m";
const MANTLE = 'new OpenAI({ baseURL: "https://bedrock-mantle.us-east-1.api.aws/v1" })';
const HTTP2 = { transport: "http2", fix: MANTLE } as const;
const BEDROCK = { api: "Bedrock", fix: MANTLE };
const COHERE = { api: "Cohere chat", fix: 'new OpenAI({ baseURL: "https://api.cohere.ai/compatibility/v1" })' };
const USAGE = 'session.on("assistant.usage", (event) => console.log(event.data))';

export const BLIND_PACKAGES: readonly BlindPackage[] = [
  { package: "@aws-sdk/client-bedrock-runtime", ...HTTP2 },
  { package: "@langchain/aws", ...HTTP2 },
  { package: "@ai-sdk/amazon-bedrock", ...BEDROCK },
  { package: "@anthropic-ai/bedrock-sdk", ...BEDROCK },
  { package: "cohere-ai", ...COHERE },
  { package: "@ai-sdk/cohere", ...COHERE },
  { package: "@langchain/cohere", ...COHERE },
  { package: "@github/copilot-sdk", transport: "copilot", fix: USAGE },
];

const GATEWAY = {
  name: "Vercel AI Gateway",
  api: "AI Gateway",
  fix: 'createOpenAICompatible({ name: "gateway", baseURL: "https://ai-gateway.vercel.sh/v1" })',
};

export const BLIND_WAYS: readonly BlindWay[] = [
  {
    name: "@openai/agents over WebSocket",
    transport: "websocket",
    fix: 'setOpenAIResponsesTransport("http")',
    imports: /^@openai\/agents/,
    sign: [/\bsetOpenAIResponsesTransport\s*\(\s*$/, /^websocket$/],
  },
  {
    name: "OpenAI Realtime",
    transport: "websocket",
    fix: POLL,
    imports: /^openai\/(?:beta\/)?realtime|^@openai\/agents(?:-|\/)realtime/,
  },
  {
    name: "Gemini Live",
    transport: "websocket",
    fix: 'ai.models.generateContentStream({ model: "…", contents })',
    imports: /^@google\/genai$/,
    sign: /\.live\.connect\s*\(/,
  },
  { ...GATEWAY, imports: /^@ai-sdk\/gateway$/ },
  { ...GATEWAY, imports: /^ai$/, sign: [/\bmodel\s*:\s*$/, /^[a-z0-9-]+\/[\w.:-]+$/] },
];

const HTTP = {
  transport: "node-http",
  fix: 'const answer = await fetch(url, { method: "POST", headers, body })',
} as const;

/** Without node:http, undici and ws, which such files mostly import for an agent, a proxy or a server. */
export const BLIND_CLIENTS: readonly BlindClient[] = [
  { ...HTTP, package: "axios", fix: 'axios.create({ adapter: "fetch" })', seen: /\badapter\s*:/ },
  { ...HTTP, package: "node-fetch", fix: "const metered = wrapFetch(nodeFetch)", seen: /\bwrapFetch\s*\(/ },
  { ...HTTP, package: "got" },
];
