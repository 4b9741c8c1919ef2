/** A package whose calls we do not see, or cannot read. */
export type BlindPackage = Missing & {
  /** A package, or all that begin so. */
  readonly package: string;
  /** What is seen instead, or what bounds it where it is. */
  readonly fix: string;
};

/** What is missing in the meter: with the transport, or with a wire format that reads the API, the row goes. */
type Missing =
  | { readonly why: string; readonly transport: string }
  /** As `UNREAD_APIS` of the meter names it. */
  | { readonly why: string; readonly api: string };

const HTTP2: Missing = { why: "calls go over HTTP/2, not through fetch", transport: "http2" };
const FRAMES: Missing = { why: "answers come in Bedrock's own binary frames, which are not read yet", api: "Bedrock" };
const COHERE: Missing = { why: "Cohere's own wire format is not read yet", api: "Cohere chat" };
const child = (more: string): Missing => ({
  why: `a program of its own makes the calls, in a child process${more}`,
  transport: "child-process",
});
const BY_MANTLE = 'new OpenAI({ baseURL: "https://bedrock-mantle.us-east-1.api.aws/v1" })';
const BY_OPENAI = 'new OpenAI({ baseURL: "https://api.cohere.ai/compatibility/v1" })';
const POLL = "npx spendfuse poll --every 5m";

export const BLIND_PACKAGES: readonly BlindPackage[] = [
  { package: "@aws-sdk/client-bedrock-runtime", ...HTTP2, fix: BY_MANTLE },
  { package: "@langchain/aws", ...HTTP2, fix: BY_MANTLE },
  { package: "@ai-sdk/amazon-bedrock", ...FRAMES, fix: BY_MANTLE },
  { package: "@anthropic-ai/bedrock-sdk", ...FRAMES, fix: BY_MANTLE },
  { package: "cohere-ai", ...COHERE, fix: BY_OPENAI },
  { package: "@ai-sdk/cohere", ...COHERE, fix: BY_OPENAI },
  { package: "@langchain/cohere", ...COHERE, fix: BY_OPENAI },
  {
    package: "@anthropic-ai/claude-agent-sdk",
    ...child("; cap it there, and see it as ungoverned on the bill"),
    fix: "query({ prompt, options: { maxBudgetUsd: 2 } })",
  },
  { package: "@openai/codex-sdk", ...child("; the bill shows them as ungoverned"), fix: POLL },
  {
    package: "@github/copilot-sdk",
    ...child(", and GitHub bills them; what it says of its usage is in its own events"),
    fix: 'session.on("assistant.usage", (event) => console.log(event.data))',
  },
];

/** A way of using a package that we see otherwise: a file that imports the package and holds the sign. */
export type BlindWay = Missing & {
  readonly name: string;
  readonly fix: string;
  readonly imports: RegExp;
  /** In the code, or around a text in it: what stands before the quote, then the text. Absent: the import is enough. */
  readonly sign?: RegExp | readonly [before: RegExp, text: RegExp];
};

const GATEWAY = {
  name: "Vercel AI Gateway",
  why: "the AI SDK uses the gateway's own protocol, which is not parsed yet",
  api: "AI Gateway",
  fix: 'createOpenAICompatible({ name: "gateway", baseURL: "https://ai-gateway.vercel.sh/v1" })',
};

export const BLIND_WAYS: readonly BlindWay[] = [
  {
    name: "@openai/agents over WebSocket",
    why: "the WebSocket transport was chosen; only fetch is metered",
    transport: "websocket",
    fix: 'setOpenAIResponsesTransport("http")',
    imports: /^@openai\/agents/,
    sign: [/\bsetOpenAIResponsesTransport\s*\(\s*$/, /^websocket$/],
  },
  {
    name: "OpenAI Realtime",
    why: "it runs over a WebSocket, or in the browser: no call of it is metered",
    transport: "websocket",
    fix: POLL,
    imports: /^openai\/(?:beta\/)?realtime|^@openai\/agents(?:-|\/)realtime/,
  },
  {
    name: "Gemini Live",
    why: "it runs over a WebSocket: no call of it is metered",
    transport: "websocket",
    fix: 'ai.models.generateContentStream({ model: "…", contents })',
    imports: /^@google\/genai$/,
    sign: /\.live\.connect\s*\(/,
  },
  { ...GATEWAY, imports: /^@ai-sdk\/gateway$/ },
  { ...GATEWAY, imports: /^ai$/, sign: [/\bmodel\s*:\s*$/, /^[a-z0-9-]+\/[\w.:-]+$/] },
];
