/** What the meter lacks: a transport, or a wire format for an API of `UNREAD_APIS`. The row goes when that is added. */
type Missing =
  | { readonly why: string; readonly transport: string; readonly fix: string }
  | { readonly why: string; readonly api: string; readonly fix: string };

/** A package whose calls are not metered; `*` at its end matches any rest. */
export type BlindPackage = Missing & { readonly package: string };

/** A way of using another package that is not metered: a file with such an import and, if given, the sign. */
export type BlindWay = Missing & {
  readonly name: string;
  readonly imports: RegExp;
  /** In the code; or the code before a string, and the string. */
  readonly sign?: RegExp | readonly [before: RegExp, text: RegExp];
};

/** An HTTP client that does not use the global fetch. It matters in a file that names a model's host. */
export type BlindClient = Missing & {
  readonly name: string;
  readonly imports: RegExp;
  /** Code that routes it through fetch or `wrapFetch()`. */
  readonly seen?: RegExp;
};

const MANTLE = 'new OpenAI({ baseURL: "https://bedrock-mantle.us-east-1.api.aws/v1" })';
const HTTP2 = { why: "calls go over HTTP/2, not through fetch", transport: "http2", fix: MANTLE };
const FRAMES = { why: "Bedrock's binary frames are not read yet", api: "Bedrock", fix: MANTLE };
const COHERE = {
  why: "Cohere's own wire format is not read yet",
  api: "Cohere chat",
  fix: 'new OpenAI({ baseURL: "https://api.cohere.ai/compatibility/v1" })',
};
const CHILD = { why: "a child process makes the calls; the bill shows them as ungoverned", transport: "child-process" };
const POLL = "npx spendfuse poll --every 5m";

export const BLIND_PACKAGES: readonly BlindPackage[] = [
  { package: "@aws-sdk/client-bedrock-runtime", ...HTTP2 },
  { package: "@langchain/aws", ...HTTP2 },
  { package: "@ai-sdk/amazon-bedrock", ...FRAMES },
  { package: "@anthropic-ai/bedrock-sdk", ...FRAMES },
  { package: "cohere-ai", ...COHERE },
  { package: "@ai-sdk/cohere", ...COHERE },
  { package: "@langchain/cohere", ...COHERE },
  {
    package: "@anthropic-ai/claude-agent-sdk",
    ...CHILD,
    fix: "query({ prompt, options: { maxBudgetUsd: 2 } })",
  },
  { package: "@openai/codex-sdk", ...CHILD, fix: POLL },
  {
    package: "@github/copilot-sdk",
    ...CHILD,
    why: "a child process makes the calls, and GitHub bills them; its own events report usage",
    fix: 'session.on("assistant.usage", (event) => console.log(event.data))',
  },
];

const GATEWAY = {
  name: "Vercel AI Gateway",
  why: "the gateway's own protocol is not read yet",
  api: "AI Gateway",
  fix: 'createOpenAICompatible({ name: "gateway", baseURL: "https://ai-gateway.vercel.sh/v1" })',
};
const SOCKET = { why: "it runs over a WebSocket, which is not metered", transport: "websocket" };

export const BLIND_WAYS: readonly BlindWay[] = [
  {
    name: "@openai/agents over WebSocket",
    ...SOCKET,
    fix: 'setOpenAIResponsesTransport("http")',
    imports: /^@openai\/agents/,
    sign: [/\bsetOpenAIResponsesTransport\s*\(\s*$/, /^websocket$/],
  },
  {
    name: "OpenAI Realtime",
    ...SOCKET,
    fix: POLL,
    imports: /^openai\/(?:beta\/)?realtime|^@openai\/agents(?:-|\/)realtime/,
  },
  {
    name: "Gemini Live",
    ...SOCKET,
    fix: 'ai.models.generateContentStream({ model: "…", contents })',
    imports: /^@google\/genai$/,
    sign: /\.live\.connect\s*\(/,
  },
  { ...GATEWAY, imports: /^@ai-sdk\/gateway$/ },
  { ...GATEWAY, imports: /^ai$/, sign: [/\bmodel\s*:\s*$/, /^[a-z0-9-]+\/[\w.:-]+$/] },
];

const UNSEEN = "does not use the global fetch: its calls are counted as unmetered, without a price";
const FETCH = 'const answer = await fetch(url, { method: "POST", headers, body })';
const NODE_HTTP = { why: UNSEEN, transport: "node-http", fix: FETCH };
const WRAPPED = /\bwrapFetch\s*\(/;

export const BLIND_CLIENTS: readonly BlindClient[] = [
  { name: "axios", imports: /^axios$/, ...NODE_HTTP, fix: 'axios.create({ adapter: "fetch" })', seen: /\badapter\s*:/ },
  {
    name: "undici",
    imports: /^undici$/,
    why: UNSEEN,
    transport: "undici",
    fix: "const metered = wrapFetch(undici.fetch)",
    seen: WRAPPED,
  },
  {
    name: "node-fetch",
    imports: /^node-fetch$/,
    ...NODE_HTTP,
    fix: "const metered = wrapFetch(nodeFetch)",
    seen: WRAPPED,
  },
  { name: "got", imports: /^got$/, ...NODE_HTTP },
  { name: "ws", imports: /^ws$/, why: UNSEEN, transport: "websocket", fix: FETCH },
  { name: "node:http", imports: /^(?:node:)?https?$/, ...NODE_HTTP },
  { name: "node:http2", imports: /^(?:node:)?http2$/, why: UNSEEN, transport: "http2", fix: FETCH },
];
