import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, type LanguageModel, streamText } from "ai";
import { chatStream, chatWhole, responsesStream, responsesWhole } from "./bodies-openai.ts";
import { anthropicStream, anthropicWhole } from "./bodies-others.ts";
import type { HostKind, Shape, Site, StreamShape, Watch, WholeShape } from "./shape.ts";

const prompt = "What is the capital of Mexico?";

const openai = ({ url, key }: Site) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key });
const anthropic = ({ url, key }: Site) => createAnthropic({ baseURL: `${url}/v1`, apiKey: key });

type ModelOf = (site: Site) => LanguageModel;

function stream(name: string, host: HostKind, body: StreamShape["body"], model: ModelOf): Shape {
  return {
    kind: "stream",
    name: `ai streamText, ${name}`,
    host,
    body,
    open: (site) =>
      streamText({
        model: model(site),
        prompt,
        abortSignal: site.signal,
        maxRetries: site.retries,
        onError: () => {},
        ...(site.timeout !== undefined && { timeout: site.timeout }),
      }),
    async read(handle: ReturnType<typeof streamText>, watch: Watch) {
      for await (const part of handle.fullStream) if (await watch.see(plain(part))) return undefined;
      const { text, usage, finishReason } = handle;
      return { text: await text, usage: await usage, finishReason: await finishReason };
    },
    never: ["late", "collected"],
    breakLingers: "held",
  };
}

function whole(name: string, host: HostKind, body: WholeShape["body"], model: ModelOf): Shape {
  return {
    kind: "whole",
    name: `ai generateText, ${name}`,
    host,
    body,
    open: (site) =>
      generateText({
        model: model(site),
        prompt,
        abortSignal: site.signal,
        maxRetries: site.retries,
        ...(site.timeout !== undefined && { timeout: site.timeout }),
      }),
    async read(handle: ReturnType<typeof generateText>) {
      const { text, usage, finishReason, toolCalls } = await handle;
      return { text, usage, finishReason, toolCalls };
    },
  };
}

/** A part of the full stream, without what differs from run to run. */
function plain(part: object): object {
  const { type, text, error, usage, finishReason } = part as Record<string, unknown>;
  const failure = error instanceof Error ? { class: error.constructor.name, message: error.message } : error;
  return { type, text, error: failure, usage, finishReason };
}

export const aiShapes: readonly Shape[] = [
  stream("openai chat", "openai", chatStream, (site) => openai(site).chat("gpt-4o")),
  stream("openai responses", "openai", responsesStream, (site) => openai(site).responses("gpt-5.4")),
  stream("anthropic", "anthropic", anthropicStream, (site) => anthropic(site)("claude-sonnet-4-6")),
  whole("openai chat", "openai", chatWhole, (site) => openai(site).chat("gpt-4o")),
  whole("openai responses", "openai", responsesWhole, (site) => openai(site).responses("gpt-5-mini")),
  whole("anthropic", "anthropic", anthropicWhole, (site) => anthropic(site)("claude-opus-4-8")),
];
