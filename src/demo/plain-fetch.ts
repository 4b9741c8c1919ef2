import { setTimeout as wait } from "node:timers/promises";
import type { Ask, Client } from "./requests.ts";
import { chatBody, chatStreamOptions, headersOf, keyOf, messagesBody, responsesBody } from "./requests.ts";

type Json = { readonly [key: string]: unknown };

/** What fetch alone has to know of a wire format to read its text. */
interface Wire {
  readonly path: string;
  body(ask: Ask, stream: boolean): Json;
  /** The text in one event of a stream. */
  delta(event: Json): unknown;
  text(body: Json): unknown;
}

export const CHAT: Wire = {
  path: "/v1/chat/completions",
  body: (ask, stream) => (stream ? { ...chatBody(ask), ...chatStreamOptions(ask), stream } : chatBody(ask)),
  delta: (event) => at(event, "choices", 0, "delta", "content"),
  text: (body) => at(body, "choices", 0, "message", "content"),
};

export const RESPONSES: Wire = {
  path: "/v1/responses",
  body: (ask, stream) => ({ ...responsesBody(ask), stream }),
  delta: (event) => (event.type === "response.output_text.delta" ? event.delta : undefined),
  text: (body) => at(body, "output", 0, "content", 0, "text"),
};

export const MESSAGES: Wire = {
  path: "/v1/messages",
  body: (ask, stream) => ({ ...messagesBody(ask), stream }),
  delta: (event) => at(event, "delta", "text"),
  text: (body) => at(body, "content", 0, "text"),
};

/** A client with no package behind it: it retries a 429 once, as the SDKs would. */
export function plainFetch(origin: string, wire: Wire): Client {
  async function post(ask: Ask, stream: boolean, signal?: AbortSignal): Promise<Response> {
    const key = keyOf(ask);
    const init = {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${key}`,
        "x-api-key": key,
        ...headersOf(ask),
      },
      body: JSON.stringify(wire.body(ask, stream)),
      ...(signal ? { signal } : {}),
    };
    let response = await fetch(origin + wire.path, init);
    if (response.status === 429) {
      await response.text();
      await wait(60);
      response = await fetch(origin + wire.path, init);
    }
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return response;
  }

  return {
    async *stream(ask, signal) {
      const response = await post(ask, true, signal);
      const decoder = new TextDecoder();
      let rest = "";
      for await (const chunk of response.body ?? []) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          if (!line.startsWith("data: {")) continue;
          const text = wire.delta(JSON.parse(line.slice(6)) as Json);
          if (typeof text === "string" && text !== "") yield text;
        }
      }
    },
    async whole(ask) {
      const response = await post(ask, false);
      return String(wire.text((await response.json()) as Json) ?? "");
    },
  };
}

function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let found = value;
  for (const step of path) found = (found as { readonly [key: string | number]: unknown } | null | undefined)?.[step];
  return found;
}
