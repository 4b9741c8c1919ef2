import Anthropic from "@anthropic-ai/sdk";
import { anthropicStream, anthropicToolStream, anthropicWhole } from "./bodies-others.ts";
import { each, eachChunk, headOf, type Shape, type Site } from "./shape.ts";

const messages = [{ role: "user" as const, content: "What is the exchange rate of the dollar to the euro?" }];
const asked = { model: "claude-sonnet-4-6", max_tokens: 1024, messages };
const whole = { ...asked, model: "claude-opus-4-8" };
const input_schema = { type: "object" as const, properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ name: "get_weather", description: "Weather", input_schema }];

function client({ url, key, timeout, retries }: Site): Anthropic {
  const given = timeout === undefined ? {} : { timeout };
  return new Anthropic({ baseURL: url, apiKey: key, maxRetries: retries, ...given });
}

type Chunks = AsyncIterable<unknown>;

export const anthropicShapes: readonly Shape[] = [
  {
    kind: "stream",
    name: "anthropic stream",
    host: "anthropic",
    body: anthropicStream,
    open: (site) => client(site).messages.create({ ...asked, stream: true }, { signal: site.signal }),
    read: async (handle: Promise<Chunks>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "anthropic stream, tools and cache",
    host: "anthropic",
    body: anthropicToolStream,
    open: (site) =>
      client(site).messages.create(
        { ...asked, model: "claude-sonnet-4-5", tools, stream: true },
        { signal: site.signal },
      ),
    read: async (handle: Promise<Chunks>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "anthropic messages.stream()",
    host: "anthropic",
    body: anthropicStream,
    open: (site) => client(site).messages.stream(asked, { signal: site.signal }),
    async read(handle: ReturnType<Anthropic["messages"]["stream"]>, watch) {
      let broke = false;
      for await (const item of handle) {
        broke = await watch.see(item);
        if (broke) break;
      }
      return broke ? undefined : await handle.finalMessage();
    },
    never: ["unread", "collected"],
  },
  {
    kind: "stream",
    name: "anthropic beta stream",
    host: "anthropic",
    body: anthropicStream,
    open: (site) => client(site).beta.messages.create({ ...asked, stream: true }, { signal: site.signal }),
    read: async (handle: Promise<Chunks>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "anthropic stream .asResponse(), reader",
    droppable: true,
    host: "anthropic",
    body: anthropicStream,
    open: (site) =>
      client(site)
        .messages.create({ ...asked, stream: true }, { signal: site.signal })
        .asResponse(),
    async read(handle: Promise<Response>, watch) {
      const response = await handle;
      await eachChunk((response.body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader(), watch);
      return { head: headOf(response), bodyUsed: response.bodyUsed };
    },
  },
  {
    kind: "whole",
    name: "anthropic whole",
    retriesCuts: true,
    host: "anthropic",
    body: anthropicWhole,
    open: (site) => client(site).messages.create(whole, { signal: site.signal }),
    read: async (handle: Promise<unknown>) => handle,
  },
  {
    kind: "whole",
    name: "anthropic beta whole",
    host: "anthropic",
    body: anthropicWhole,
    open: (site) => client(site).beta.messages.create(whole, { signal: site.signal }),
    read: async (handle: Promise<unknown>) => handle,
  },
  {
    kind: "whole",
    name: "anthropic whole .withResponse()",
    host: "anthropic",
    body: anthropicWhole,
    open: (site) => client(site).messages.create(whole, { signal: site.signal }).withResponse(),
    async read(handle: Promise<{ data: unknown; response: Response }>) {
      const { data, response } = await handle;
      return { data, head: headOf(response), bodyUsed: response.bodyUsed };
    },
  },
];
