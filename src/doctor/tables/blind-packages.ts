import type { SourceFile } from "../facts/sources.ts";

/** A package whose calls we do not see, or cannot read. */
export interface BlindPackage {
  /** A package, or all that begin so. */
  readonly package: string;
  readonly why: string;
  /** What is seen instead, or what bounds it where it is. */
  readonly fix: string;
}

const BEDROCK_HTTP2 = "calls go over HTTP/2, not through fetch";
const BEDROCK_FRAMES = "answers come in Bedrock's own binary frames, which are not read yet";
const BEDROCK = 'new OpenAI({ baseURL: "https://bedrock-mantle.us-east-1.api.aws/v1" })';
const COHERE_FORMAT = "Cohere's own wire format is not read yet";
const COHERE = 'new OpenAI({ baseURL: "https://api.cohere.ai/compatibility/v1" })';
const CHILD = "a program of its own makes the calls, in a child process";

export const BLIND_PACKAGES: readonly BlindPackage[] = [
  { package: "@aws-sdk/client-bedrock-runtime", why: BEDROCK_HTTP2, fix: BEDROCK },
  { package: "@langchain/aws", why: BEDROCK_HTTP2, fix: BEDROCK },
  { package: "@ai-sdk/amazon-bedrock", why: BEDROCK_FRAMES, fix: BEDROCK },
  { package: "@anthropic-ai/bedrock-sdk", why: BEDROCK_FRAMES, fix: BEDROCK },
  { package: "cohere-ai", why: COHERE_FORMAT, fix: COHERE },
  { package: "@ai-sdk/cohere", why: COHERE_FORMAT, fix: COHERE },
  { package: "@langchain/cohere", why: COHERE_FORMAT, fix: COHERE },
  {
    package: "@anthropic-ai/claude-agent-sdk",
    why: `${CHILD}; cap it there, and see it as ungoverned on the bill`,
    fix: "query({ prompt, options: { maxBudgetUsd: 2 } })",
  },
  {
    package: "@openai/codex-sdk",
    why: `${CHILD}; the bill shows them as ungoverned`,
    fix: "npx spendfuse poll --every 5m",
  },
  {
    package: "@github/copilot-sdk",
    why: `${CHILD}, and GitHub bills them; what it says of its usage is in its own events`,
    fix: 'session.on("assistant.usage", (event) => console.log(event.data))',
  },
];

/** A way of using a package that we see otherwise. Returns where it stands in the code. */
export interface BlindWay {
  readonly name: string;
  readonly why: string;
  readonly fix: string;
  find(file: SourceFile): number | undefined;
}

export const BLIND_WAYS: readonly BlindWay[] = [
  {
    name: "@openai/agents over WebSocket",
    why: "the WebSocket transport was chosen; only fetch is metered",
    fix: 'setOpenAIResponsesTransport("http")',
    find: ({ code, literals }) =>
      literals.find(
        ({ text, at }) => text === "websocket" && /\bsetOpenAIResponsesTransport\s*\(\s*$/.test(code.slice(0, at)),
      )?.at,
  },
  {
    name: "OpenAI Realtime",
    why: "it runs over a WebSocket, or in the browser: no call of it is metered",
    fix: "npx spendfuse poll --every 5m",
    find: ({ code, imports }) =>
      imports.find(({ name }) => /^openai\/(?:beta\/)?realtime|^@openai\/agents(?:-|\/)realtime/.test(name))?.at ??
      at(code, /\bnew\s+Realtime(?:Session|Agent)\b/),
  },
  {
    name: "Gemini Live",
    why: "it runs over a WebSocket: no call of it is metered",
    fix: 'ai.models.generateContentStream({ model: "…", contents })',
    find: ({ code, imports }) =>
      imports.some(({ name }) => name === "@google/genai") ? at(code, /\.live\.connect\s*\(/) : undefined,
  },
  {
    name: "Vercel AI Gateway",
    why: "the AI SDK speaks the gateway's own protocol to it, which is not read yet",
    fix: 'createOpenAICompatible({ name: "gateway", baseURL: "https://ai-gateway.vercel.sh/v1" })',
    find: ({ code, imports, literals }) => {
      const own = imports.find(({ name }) => name === "@ai-sdk/gateway");
      if (own !== undefined) return own.at;
      if (!imports.some(({ name }) => name === "ai")) return undefined;
      const named = literals.find(
        ({ text, at }) => /^[a-z0-9-]+\/[\w.:-]+$/.test(text) && /\bmodel\s*:\s*$/.test(code.slice(0, at)),
      );
      return named?.at ?? at(code, /\b(?:createGateway|gateway)\s*\(/);
    },
  },
];

function at(code: string, sign: RegExp): number | undefined {
  return sign.exec(code)?.index;
}
