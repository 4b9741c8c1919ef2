import { ChatOpenAI } from "@langchain/openai";
import { chatStream, chatWhole } from "./bodies-openai.ts";
import { each, type Shape, type Site } from "./shape.ts";

const prompt = "What is the capital of Mexico?";

function model({ url, key, timeout, retries }: Site, streamUsage = true): ChatOpenAI {
  return new ChatOpenAI({
    model: "gpt-4o",
    apiKey: key,
    maxRetries: retries,
    streamUsage,
    configuration: { baseURL: `${url}/v1` },
    ...(timeout !== undefined && { timeout }),
  });
}

export const langchainShapes: readonly Shape[] = [
  {
    kind: "stream",
    name: "langchain stream",
    slowRetries: true,
    host: "openai",
    never: ["still", "collected", "late", "retries"],
    readsAhead: true,
    body: chatStream,
    open: (site) => model(site).stream(prompt, { signal: site.signal }),
    read: async (handle: Promise<AsyncIterable<unknown>>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "langchain stream, streamUsage off",
    host: "openai",
    never: ["still", "collected", "late", "retries"],
    readsAhead: true,
    body: chatStream,
    open: (site) => model(site, false).stream(prompt, { signal: site.signal }),
    read: async (handle: Promise<AsyncIterable<unknown>>, watch) => each(await handle, watch),
  },
  {
    kind: "whole",
    name: "langchain invoke",
    host: "openai",
    never: ["retries"],
    body: chatWhole,
    open: (site) => model(site).invoke(prompt, { signal: site.signal }),
    read: async (handle: Promise<unknown>) => handle,
  },
];
