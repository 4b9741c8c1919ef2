import { Readable } from "node:stream";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { hashKey } from "../../../../src/meter/identity/api-key.ts";
import { createRuntime } from "../../../../src/process/runtime.ts";
import { METERED } from "./body/answers.ts";
import { answering, type Metering, startMetering } from "./body/metering.ts";

const native = globalThis.fetch;
const KEY = "sk-proj-very-secret-0123456789";
const JSON_BODY = JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "héllo 漢字" }] });
const STREAM_BODY = JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "hi" }], stream: true });

let metering: Metering;
let known: string;

beforeAll(async () => {
  metering = await startMetering();
  known = `${metering.server.url}/v1/chat/completions`;
});

beforeEach(() => {
  metering.calls.length = 0;
  answering(metering.server);
});

afterAll(async () => {
  await metering.stop();
  expect(globalThis.fetch).toBe(native);
});

type Fetch = typeof globalThis.fetch;
type Send = (fetch: Fetch, url: string, headers: HeadersInit, body: string) => Promise<Response>;

async function* pieces(body: string): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += 20) yield Buffer.from(body.slice(at, at + 20));
}

const streamOf = (body: string): ReadableStream =>
  (ReadableStream as unknown as { from(source: unknown): ReadableStream }).from(pieces(body));

const post = (headers: HeadersInit, body: unknown): RequestInit =>
  ({ method: "POST", headers, body, duplex: "half" }) as RequestInit;

/** The forms in which the SDKs send a request, and others that fetch takes. */
const FORMS: Readonly<Record<string, { send: Send }>> = {
  "string URL, string body": { send: (fetch, url, h, body) => fetch(url, post(h, body)) },
  "URL object": { send: (fetch, url, h, body) => fetch(new URL(url), post(h, body)) },
  "object with toString": {
    send: (fetch, url, h, body) => fetch({ toString: () => url } as never, post(h, body)),
  },
  "method in small letters": {
    send: (fetch, url, h, body) => fetch(url, { ...post(h, body), method: "post" }),
  },
  "Request, string body": { send: (fetch, url, h, body) => fetch(new Request(url, post(h, body))) },
  "Request, stream body": {
    send: (fetch, url, h, body) => fetch(new Request(url, post(h, streamOf(body)))),
  },
  "Request and init with the body": {
    send: (fetch, url, h, body) => fetch(new Request(url, { headers: h }), post(h, body)),
  },
  "Request, init with other headers": {
    send: (fetch, url, h, body) => fetch(new Request(url, post({ "x-api-key": "wrong" }, body)), { headers: h }),
  },
  Uint8Array: { send: (fetch, url, h, body) => fetch(url, post(h, new TextEncoder().encode(body))) },
  Buffer: { send: (fetch, url, h, body) => fetch(url, post(h, Buffer.from(body))) },
  ArrayBuffer: {
    send: (fetch, url, h, body) => fetch(url, post(h, new TextEncoder().encode(body).buffer)),
  },
  Blob: { send: (fetch, url, h, body) => fetch(url, post(h, new Blob([body]))) },
  ReadableStream: { send: (fetch, url, h, body) => fetch(url, post(h, streamOf(body))) },
  "async iterable": { send: (fetch, url, h, body) => fetch(url, post(h, pieces(body))) },
  "Node stream": { send: (fetch, url, h, body) => fetch(url, post(h, Readable.from(pieces(body)))) },
};

const PAIRS: Record<string, string> = {
  "content-type": "application/json",
  authorization: `Bearer ${KEY}`,
  baggage: "user=42,team=search",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
};

const HEADERS: Readonly<Record<string, () => HeadersInit>> = {
  object: () => PAIRS,
  Headers: () => new Headers(PAIRS),
  array: () => Object.entries(PAIRS).map(([name, value]) => [name.toUpperCase(), value]),
};

describe("every form of a request arrives as without us, and is metered once", () => {
  for (const [form, { send }] of Object.entries(FORMS)) {
    for (const [kind, headers] of Object.entries(HEADERS)) {
      test(`${form}, headers as ${kind}`, async () => {
        const { runtime, calls, server } = metering;
        await (await send(native, known, headers(), JSON_BODY)).text();
        const response = await send(runtime.wrapFetch(native), known, headers(), JSON_BODY);
        expect(await response.json()).toHaveProperty("usage");
        const [expected, seen] = server.visits.map(({ method, path, headers: got, body }) => ({
          method,
          path,
          got,
          body,
        }));
        expect(seen).toEqual(expected);
        expect(seen?.body).toBe(JSON_BODY);
        expect(calls).toHaveLength(1);
        expect(calls[0]).toMatchObject({ ending: "completed", quality: "reported", usage: METERED, status: 200 });
        expect(calls[0]?.requestModel).toBe("gpt-5-mini");
        expect(calls[0]?.scope.key).toBe(hashKey(KEY));
      });
    }

    test(`${form}, a stream`, async () => {
      const { runtime, calls, server } = metering;
      const expected = await (await send(native, known, PAIRS, STREAM_BODY)).text();
      const response = await send(runtime.wrapFetch(native), known, PAIRS, STREAM_BODY);
      expect(await response.text()).toBe(expected);
      expect(JSON.parse(server.visits[1]?.body as string)).toEqual({
        ...JSON.parse(STREAM_BODY),
        stream_options: { include_usage: true },
      });
      expect(calls).toHaveLength(1);
      expect(calls[0]).toMatchObject({ ending: "completed", stream: true, quality: "reported", usage: METERED });
    });
  }
});

const OTHERS: readonly (readonly [input: unknown, init?: RequestInit | undefined])[] = [
  ["https://api.openai.com/v1/models"],
  ["https://api.openai.com/v1/chat/completions"],
  ["https://api.openai.com/v1/chat/completions", { method: "OPTIONS" }],
  ["https://api.openai.com/v1/chat/completions/chatcmpl_1", { method: "POST", body: JSON_BODY }],
  ["https://api.openai.com/v1/moderations", { method: "POST", body: "{}" }],
  ["https://api.openai.com/v1/responses/resp_1", { method: "DELETE" }],
  ["https://api.openai.com/v1/responses/resp_1/cancel", { method: "POST" }],
  ["https://api.openai.com/v1/responses/resp_1/input_items"],
  ["https://api.openai.com/v1/files?next=/v1/responses", { method: "POST", body: JSON_BODY }],
  ["https://api.anthropic.com/v1/messages/count_tokens", { method: "POST", body: JSON_BODY }],
  ["https://api.anthropic.com/v1/messages/batches", { method: "POST", body: JSON_BODY }],
  ["https://example.com/"],
  [new URL("https://example.com/messages.html")],
  [new Request("https://example.com/completions")],
  ["data:text/plain,/v1/chat/completions"],
  ["/v1/chat/completions", { method: "POST", body: JSON_BODY }],
  ["http://", undefined],
  ["", undefined],
  [undefined, undefined],
];

const form = new FormData();
form.set("answer", "yes");

/** Paths like ours, of hosts we do not know, with bodies that are not ours. */
const STRANGERS: readonly (readonly [url: string, body: unknown])[] = [
  ["https://survey.example/api/responses", JSON.stringify({ answers: [1, 2], survey: "s1" })],
  ["https://survey.example/api/responses", form],
  ["https://survey.example/api/responses", new URLSearchParams({ answer: "yes" })],
  ["https://survey.example/api/responses", undefined],
  ["https://chat.example/rooms/1/messages", JSON.stringify({ text: "hello" })],
  ["https://chat.example/rooms/1/messages", JSON.stringify({ messages: ["hello"] })],
  ["https://chat.example/rooms/1/messages", "hello"],
  ["https://chat.example/rooms/1/messages", Buffer.from('{"text":"hello"}')],
  ["https://search.example/embeddings", JSON.stringify({ vectors: [[1, 2]] })],
  ["https://bot.example/chat/completions", JSON.stringify({ prompt: "hi" })],
];

describe("what is no model call passes untouched", () => {
  const untouched = async (input: unknown, init: RequestInit | undefined): Promise<void> => {
    const { runtime, calls } = metering;
    const seen: unknown[] = [];
    const answer = Promise.resolve(new Response("{}"));
    const inner = function (this: unknown, ...args: unknown[]) {
      seen.push(this, ...args);
      return answer;
    };
    const self = {};
    const prototype = Object.getPrototypeOf(await answer);
    expect(runtime.wrapFetch(inner as Fetch).call(self as never, input as string, init)).toBe(answer);
    expect(seen).toEqual([self, input, init]);
    expect(seen[2]).toBe(init);
    expect(Object.getPrototypeOf(await answer)).toBe(prototype);
    await runtime.flush();
    expect(calls).toEqual([]);
  };

  test.each(OTHERS)("%s %j", (input, init) => untouched(input, init as RequestInit | undefined));
  test.each(STRANGERS)("%s %s", (url, body) => untouched(url, { method: "POST", body: body as string }));

  test.each(["Request", "Blob", "ReadableStream"])("a stranger's body in a %s", async (kind) => {
    const { runtime, calls } = metering;
    const body = JSON.stringify({ text: "hello" });
    const answer = new Response("{}", { headers: { "content-type": "application/json" } });
    let sent = "";
    const inner = async (input: RequestInfo | URL, init?: RequestInit) => {
      sent = await new Request(input, init).text();
      return answer;
    };
    const url = "https://chat.example/rooms/1/messages";
    const init = post({}, kind === "Blob" ? new Blob([body]) : kind === "ReadableStream" ? streamOf(body) : body);
    const fetch = runtime.wrapFetch(inner as Fetch);
    const response = await (kind === "Request" ? fetch(new Request(url, init)) : fetch(url, init));
    expect(sent).toBe(body);
    expect(response).toBe(answer);
    expect(Object.getPrototypeOf(response)).toBe(Response.prototype);
    expect(await response.text()).toBe("{}");
    await runtime.flush();
    expect(calls).toEqual([]);
  });

  test.each(["Request", "Blob", "ReadableStream"])(
    "a model call in a %s to a host that we do not know",
    async (kind) => {
      const { runtime, calls } = metering;
      const inner = async (input: RequestInfo | URL, init?: RequestInit) => {
        await new Request(input, init).text();
        return Response.json({ model: "m", choices: [], usage: { prompt_tokens: 5, completion_tokens: 7 } });
      };
      const url = "https://gateway.example/v1/chat/completions";
      const body =
        kind === "Blob" ? new Blob([JSON_BODY]) : kind === "ReadableStream" ? streamOf(JSON_BODY) : JSON_BODY;
      const fetch = runtime.wrapFetch(inner as Fetch);
      await (await (kind === "Request" ? fetch(new Request(url, post({}, body))) : fetch(url, post({}, body)))).json();
      await runtime.flush();
      expect(calls).toHaveLength(1);
      expect(calls[0]).toMatchObject({
        requestModel: "gpt-5-mini",
        usage: { input: 5, output: 7 },
        ending: "completed",
      });
    },
  );
});

describe("API keys", () => {
  test.each(["authorization", "x-api-key", "api-key", "x-goog-api-key"])(
    "%s shows as its hash or alias alone",
    async (header) => {
      for (const keys of [{}, { [hashKey(KEY)]: "Prod Key" }]) {
        const runtime = createRuntime(() => {});
        await runtime.start({ telemetry: false, env: {}, config: { keys } });
        await runtime.stop();
        const seen: unknown[] = [];
        runtime.listeners.add((call) => seen.push(call));
        const inner = async () => Response.json({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 7 } });
        const value = header === "authorization" ? `Bearer ${KEY}` : KEY;
        const url = `https://api.openai.com/v1/chat/completions?key=${KEY}`;
        await (await runtime.wrapFetch(inner as Fetch)(url, post({ [header]: value }, JSON_BODY))).json();
        await runtime.flush();
        const alias = Object.keys(keys).length > 0 ? "prod_key" : hashKey(KEY);
        expect(seen).toMatchObject([{ scope: { key: alias } }]);
        expect([...runtime.ledger.accounts()]).toContain(`key:${alias}`);
        expect(JSON.stringify([seen, [...runtime.ledger.accounts()]])).not.toContain(KEY.slice(0, 12));
      }
    },
  );
});
