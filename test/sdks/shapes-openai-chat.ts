import type OpenAI from "openai";
import { chatStream, chatToolStream, chatTwoStream } from "./bodies-openai.ts";
import { azure, type Chunks, chat, client, tools } from "./openai-clients.ts";
import { each, eachChunk, headOf, type Shape } from "./shape.ts";

export const openaiChatStreams: readonly Shape[] = [
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
    name: "openai chat stream, unknown host, usage not requested",
    host: "unknown",
    never: ["late"],
    body: { madeUp: () => ({ ...chatStream.madeUp(), silent: "The river meets the sea near Sunderland Point." }) },
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
    never: ["unread", "collected"],
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
    droppable: true,
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
    breakLingers: "held",
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
];
