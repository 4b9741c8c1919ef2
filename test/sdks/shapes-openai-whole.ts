import { chatToolWhole, chatTwoWhole, chatWhole, responsesWhole } from "./bodies-openai.ts";
import { azure, chat, client, input, response_format, tools } from "./openai-clients.ts";
import { headOf, type Shape } from "./shape.ts";

export const openaiWholes: readonly Shape[] = [
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
