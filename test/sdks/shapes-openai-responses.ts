import type OpenAI from "openai";
import { responsesStream, responsesToolStream } from "./bodies-openai.ts";
import { type Chunks, client, input, schema } from "./openai-clients.ts";
import { each, type Shape } from "./shape.ts";

export const openaiResponsesStreams: readonly Shape[] = [
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
    never: ["unread", "collected"],
  },
];
