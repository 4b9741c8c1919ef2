import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { CHAT, MESSAGES, plainFetch, RESPONSES } from "./plain-fetch.ts";
import type { Ask, Client } from "./requests.ts";
import { chatBody, chatStreamOptions, headersOf, keyOf, messagesBody, responsesBody } from "./requests.ts";

/** The ways the agents reach the vendor, each through a real SDK where that is installed. */
export interface Clients {
  readonly openaiChat: Client;
  readonly openaiResponses: Client;
  readonly anthropic: Client;
  /** The AI SDK with its providers of both vendors. */
  readonly ai: Client;
  /** Packages in use. */
  readonly found: readonly string[];
  /** Packages that plain fetch replaces. */
  readonly missing: readonly string[];
}

export interface Origins {
  readonly openai: string;
  readonly anthropic: string;
}

type AiPackages = readonly [typeof import("ai"), typeof import("@ai-sdk/openai"), typeof import("@ai-sdk/anthropic")];

/** `without` leaves packages out as if they were not installed. */
export async function findClients(origins: Origins, without: readonly string[] = []): Promise<Clients> {
  const load = <T>(name: string): Promise<T | undefined> =>
    without.includes(name) ? Promise.resolve(undefined) : importPackage<T>(name);
  const openai = await load<typeof import("openai")>("openai");
  const anthropic = await load<typeof import("@anthropic-ai/sdk")>("@anthropic-ai/sdk");
  const ai = await Promise.all([
    load<typeof import("ai")>("ai"),
    load<typeof import("@ai-sdk/openai")>("@ai-sdk/openai"),
    load<typeof import("@ai-sdk/anthropic")>("@ai-sdk/anthropic"),
  ]);
  const chat = plainFetch(origins.openai, CHAT);
  const responses = plainFetch(origins.openai, RESPONSES);
  const messages = plainFetch(origins.anthropic, MESSAGES);
  const names = { openai, "@anthropic-ai/sdk": anthropic, ai: ai.every(Boolean) };
  return {
    openaiChat: openai ? openaiChat(openai, origins) : chat,
    openaiResponses: openai ? openaiResponses(openai, origins) : responses,
    anthropic: anthropic ? anthropicMessages(anthropic, origins) : messages,
    ai: ai.every(Boolean) ? aiSdk(ai as AiPackages, origins) : byModel(responses, messages),
    found: Object.keys(names).filter((name) => names[name as keyof typeof names]),
    missing: Object.keys(names).filter((name) => !names[name as keyof typeof names]),
  };
}

/** A package beside this one, or else one of the app in whose folder the command runs. */
async function importPackage<T>(name: string): Promise<T | undefined> {
  try {
    return (await import(name)) as T;
  } catch {
    try {
      const app = createRequire(join(process.cwd(), "package.json"));
      return (await import(pathToFileURL(app.resolve(name)).href)) as T;
    } catch {
      return undefined;
    }
  }
}

function openaiChat({ OpenAI }: typeof import("openai"), { openai }: Origins): Client {
  const client = (ask: Ask) => new OpenAI({ apiKey: keyOf(ask), baseURL: `${openai}/v1` });
  return {
    async *stream(ask, signal) {
      const body = { ...chatBody(ask), ...chatStreamOptions(ask), stream: true as const };
      const options = { headers: headersOf(ask), ...(signal ? { signal } : {}) };
      for await (const chunk of await client(ask).chat.completions.create(body, options)) {
        const text = chunk.choices[0]?.delta.content;
        if (text) yield text;
      }
    },
    async whole(ask) {
      const answer = await client(ask).chat.completions.create(chatBody(ask), { headers: headersOf(ask) });
      return answer.choices[0]?.message.content ?? "";
    },
  };
}

function openaiResponses({ OpenAI }: typeof import("openai"), { openai }: Origins): Client {
  const client = (ask: Ask) => new OpenAI({ apiKey: keyOf(ask), baseURL: `${openai}/v1` });
  return {
    async *stream(ask, signal) {
      const options = { headers: headersOf(ask), ...(signal ? { signal } : {}) };
      const body = { ...responsesBody(ask), stream: true as const };
      for await (const event of await client(ask).responses.create(body, options))
        if (event.type === "response.output_text.delta") yield event.delta;
    },
    async whole(ask) {
      return (await client(ask).responses.create(responsesBody(ask), { headers: headersOf(ask) })).output_text;
    },
  };
}

function anthropicMessages({ Anthropic }: typeof import("@anthropic-ai/sdk"), { anthropic }: Origins): Client {
  const client = (ask: Ask) => new Anthropic({ apiKey: keyOf(ask), authToken: null, baseURL: anthropic });
  return {
    async *stream(ask, signal) {
      const options = { headers: headersOf(ask), ...(signal ? { signal } : {}) };
      const body = { ...messagesBody(ask), stream: true as const };
      for await (const event of await client(ask).messages.create(body, options))
        if (event.type === "content_block_delta" && event.delta.type === "text_delta") yield event.delta.text;
    },
    async whole(ask) {
      const { content } = await client(ask).messages.create(messagesBody(ask), { headers: headersOf(ask) });
      return content.map((block) => (block.type === "text" ? block.text : "")).join("");
    },
  };
}

function aiSdk([{ generateText, streamText }, openai, anthropic]: AiPackages, origins: Origins): Client {
  const options = (ask: Ask) => {
    const apiKey = keyOf(ask);
    const claude = ask.model.startsWith("claude");
    return {
      model: claude
        ? anthropic.createAnthropic({ apiKey, baseURL: `${origins.anthropic}/v1` })(ask.model)
        : openai.createOpenAI({ apiKey, baseURL: `${origins.openai}/v1` })(ask.model),
      prompt: ask.prompt,
      headers: headersOf(ask),
      ...(ask.system === undefined ? {} : { instructions: ask.system }),
      ...(ask.maxTokens === undefined ? {} : { maxOutputTokens: ask.maxTokens }),
      ...(ask.effort === undefined ? {} : { providerOptions: { openai: { reasoningEffort: ask.effort } } }),
    };
  };
  return {
    async *stream(ask, signal) {
      const abort = signal ? { abortSignal: signal } : {};
      // Its default is to print errors, of which an abort is one.
      const { textStream } = streamText({ ...options(ask), ...abort, onError: () => undefined });
      yield* textStream;
    },
    async whole(ask) {
      return (await generateText(options(ask))).text;
    },
  };
}

function byModel(openai: Client, anthropic: Client): Client {
  const pick = (ask: Ask) => (ask.model.startsWith("claude") ? anthropic : openai);
  return { stream: (ask, signal) => pick(ask).stream(ask, signal), whole: (ask) => pick(ask).whole(ask) };
}
