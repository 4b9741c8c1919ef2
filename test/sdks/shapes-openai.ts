import OpenAI, { AzureOpenAI } from "openai";
import {
  chatStream,
  chatToolStream,
  chatToolWhole,
  chatTwoStream,
  chatTwoWhole,
  chatWhole,
  responsesStream,
  responsesToolStream,
  responsesWhole,
} from "./bodies.ts";
import { each, eachChunk, headOf, type Shape, type Site } from "./shape.ts";

const messages = [{ role: "user" as const, content: "What is the capital of Mexico?" }];
const chat = { model: "gpt-4o", messages };
const input = "What is the exchange rate of the dollar to the euro?";
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function" as const, function: { name: "get_weather", description: "Weather", parameters } }];
const schema = { ...parameters, additionalProperties: false };
const response_format = { type: "json_schema" as const, json_schema: { name: "city", strict: true, schema } };

function client({ url, key, timeout, retries }: Site): OpenAI {
  const given = timeout === undefined ? {} : { timeout };
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: retries, ...given });
}

type Chunks = AsyncIterable<unknown>;

export const openaiShapes: readonly Shape[] = [
  {
    kind: "stream",
    name: "openai chat stream",
    retriesCuts: true,
    host: "openai",
    body: chatStream,
    open: (site) => client(site).chat.completions.create({ ...chat, stream: true }, { signal: site.signal }),
    read: async (handle: Promise<Chunks>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "openai chat stream, caller asks for usage",
    host: "openai",
    body: chatStream,
    open: (site) =>
      client(site).chat.completions.create(
        { ...chat, stream: true, stream_options: { include_usage: true } },
        { signal: site.signal },
      ),
    read: async (handle: Promise<Chunks>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "openai chat stream, caller has other stream options",
    host: "openai",
    body: chatStream,
    open: (site) =>
      client(site).chat.completions.create(
        { ...chat, stream: true, stream_options: { include_obfuscation: false } },
        { signal: site.signal },
      ),
    read: async (handle: Promise<Chunks>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "openai chat stream, unknown host, caller asks",
    host: "unknown",
    body: chatStream,
    open: (site) =>
      client(site).chat.completions.create(
        { ...chat, stream: true, stream_options: { include_usage: true } },
        { signal: site.signal },
      ),
    read: async (handle: Promise<Chunks>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "openai chat stream, unknown host, nobody asks",
    host: "unknown",
    never: ["late"],
    body: () => ({ ...chatStream(), silent: "The capital of Mexico is Mexico City." }),
    open: (site) => client(site).chat.completions.create({ ...chat, stream: true }, { signal: site.signal }),
    read: async (handle: Promise<Chunks>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "openai chat stream, tools",
    host: "openai",
    body: chatToolStream,
    open: (site) => client(site).chat.completions.create({ ...chat, tools, stream: true }, { signal: site.signal }),
    read: async (handle: Promise<Chunks>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "openai chat stream, n: 2",
    host: "openai",
    body: chatTwoStream,
    open: (site) => client(site).chat.completions.create({ ...chat, n: 2, stream: true }, { signal: site.signal }),
    read: async (handle: Promise<Chunks>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "openai chat .stream()",
    host: "openai",
    body: chatStream,
    open: (site) => client(site).chat.completions.stream(chat, { signal: site.signal }),
    async read(handle: ReturnType<OpenAI["chat"]["completions"]["stream"]>, watch) {
      let broke = false;
      for await (const item of handle) {
        broke = await watch.see(item);
        if (broke) break;
      }
      return broke ? undefined : await handle.finalChatCompletion();
    },
    never: ["unread"],
  },
  {
    kind: "stream",
    name: "openai chat stream .withResponse()",
    host: "openai",
    body: chatStream,
    open: (site) =>
      client(site)
        .chat.completions.create({ ...chat, stream: true }, { signal: site.signal })
        .withResponse(),
    async read(handle: Promise<{ data: Chunks; response: Response; request_id: string | null }>, watch) {
      const { data, response, request_id } = await handle;
      await each(data, watch);
      return { head: headOf(response), request_id, bodyUsed: response.bodyUsed };
    },
  },
  {
    kind: "stream",
    name: "openai chat stream .asResponse(), reader",
    host: "openai",
    body: chatStream,
    open: (site) =>
      client(site)
        .chat.completions.create({ ...chat, stream: true }, { signal: site.signal })
        .asResponse(),
    async read(handle: Promise<Response>, watch) {
      const response = await handle;
      await eachChunk((response.body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader(), watch);
      return { head: headOf(response), bodyUsed: response.bodyUsed };
    },
  },
  {
    kind: "stream",
    name: "openai chat stream .tee(), both read",
    host: "openai",
    body: chatStream,
    open: (site) => client(site).chat.completions.create({ ...chat, stream: true }, { signal: site.signal }),
    async read(handle: Promise<{ tee(): [Chunks, Chunks] }>, watch) {
      const [left, right] = (await handle).tee();
      await each(left, watch);
      const items: unknown[] = [];
      // Behind a break of the other, this one would read on for ever.
      if (!watch.broke) for await (const item of right) items.push(item);
      return items;
    },
    breakLingers: "collected",
  },
  {
    kind: "stream",
    name: "openai chat stream .toReadableStream()",
    host: "openai",
    body: chatStream,
    open: (site) => client(site).chat.completions.create({ ...chat, stream: true }, { signal: site.signal }),
    async read(handle: Promise<{ toReadableStream(): ReadableStream }>, watch) {
      await eachChunk((await handle).toReadableStream().getReader(), watch);
    },
  },
  {
    kind: "stream",
    name: "AzureOpenAI chat stream",
    host: "azure",
    body: chatStream,
    open: (site) => azure(site).chat.completions.create({ ...chat, stream: true }, { signal: site.signal }),
    read: async (handle: Promise<Chunks>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "openai Responses stream",
    host: "openai",
    body: responsesStream,
    open: (site) => client(site).responses.create({ model: "gpt-5.4", input, stream: true }, { signal: site.signal }),
    read: async (handle: Promise<Chunks>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "openai Responses stream, tools",
    host: "openai",
    body: responsesToolStream,
    open: (site) =>
      client(site).responses.create(
        {
          ...{ model: "gpt-5.4", input, stream: true },
          tools: [{ type: "function", name: "get_exchange_rate", parameters: schema, strict: true }],
        },
        { signal: site.signal },
      ),
    read: async (handle: Promise<Chunks>, watch) => each(await handle, watch),
  },
  {
    kind: "stream",
    name: "openai Responses .stream()",
    host: "openai",
    body: responsesStream,
    open: (site) => client(site).responses.stream({ model: "gpt-5.4", input }, { signal: site.signal }),
    async read(handle: ReturnType<OpenAI["responses"]["stream"]>, watch) {
      let broke = false;
      for await (const item of handle) {
        broke = await watch.see(item);
        if (broke) break;
      }
      return broke ? undefined : await handle.finalResponse();
    },
    never: ["unread"],
  },
  {
    kind: "whole",
    name: "openai chat whole",
    host: "openai",
    body: chatWhole,
    open: (site) => client(site).chat.completions.create(chat, { signal: site.signal }),
    read: async (handle: Promise<unknown>) => handle,
  },
  {
    kind: "whole",
    name: "openai chat whole, tools",
    host: "openai",
    body: chatToolWhole,
    open: (site) => client(site).chat.completions.create({ ...chat, tools }, { signal: site.signal }),
    read: async (handle: Promise<unknown>) => handle,
  },
  {
    kind: "whole",
    name: "openai chat whole, n: 2",
    host: "openai",
    body: chatTwoWhole,
    open: (site) => client(site).chat.completions.create({ ...chat, model: "gpt-5", n: 2 }, { signal: site.signal }),
    read: async (handle: Promise<unknown>) => handle,
  },
  {
    kind: "whole",
    name: "openai chat .parse()",
    host: "openai",
    body: chatTwoWhole,
    open: (site) =>
      client(site).chat.completions.parse({ ...chat, model: "gpt-5", response_format }, { signal: site.signal }),
    read: async (handle: Promise<unknown>) => handle,
  },
  {
    kind: "whole",
    name: "openai chat whole .withResponse()",
    host: "openai",
    body: chatWhole,
    open: (site) => client(site).chat.completions.create(chat, { signal: site.signal }).withResponse(),
    async read(handle: Promise<{ data: unknown; response: Response; request_id: string | null }>) {
      const { data, response, request_id } = await handle;
      return { data, head: headOf(response), request_id, bodyUsed: response.bodyUsed };
    },
  },
  {
    kind: "whole",
    bare: true,
    name: "openai chat whole .asResponse(), text",
    host: "openai",
    body: chatWhole,
    open: (site) => client(site).chat.completions.create(chat, { signal: site.signal }).asResponse(),
    async read(handle: Promise<Response>) {
      const response = await handle;
      return { text: await response.text(), head: headOf(response), bodyUsed: response.bodyUsed };
    },
  },
  {
    kind: "whole",
    name: "AzureOpenAI chat whole",
    host: "azure",
    body: chatWhole,
    open: (site) => azure(site).chat.completions.create(chat, { signal: site.signal }),
    read: async (handle: Promise<unknown>) => handle,
  },
  {
    kind: "whole",
    name: "openai Responses whole",
    host: "openai",
    body: responsesWhole,
    open: (site) => client(site).responses.create({ model: "gpt-5-mini", input }, { signal: site.signal }),
    read: async (handle: Promise<unknown>) => handle,
  },
  {
    kind: "whole",
    name: "openai Responses .parse()",
    host: "openai",
    body: responsesWhole,
    open: (site) => client(site).responses.parse({ model: "gpt-5-mini", input }, { signal: site.signal }),
    read: async (handle: Promise<unknown>) => handle,
  },
];

function azure({ url, key, timeout, retries }: Site): AzureOpenAI {
  const given = timeout === undefined ? {} : { timeout };
  return new AzureOpenAI({ endpoint: url, apiKey: key, apiVersion: "2024-10-21", maxRetries: retries, ...given });
}
