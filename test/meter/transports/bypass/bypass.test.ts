import { Writable } from "node:stream";
import Anthropic from "@anthropic-ai/sdk";
import fc from "fast-check";
import OpenAI from "openai";
import * as undici from "undici";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CHAT_BODY, CHAT_INIT, CHAT_PATH, nodeFetch, postHttp, postHttp2 } from "../../../fixtures/around-fetch.ts";
import { removeStateDirs } from "../../../fixtures/exporting.ts";
import { type Watched, watchUnmetered } from "../../../fixtures/unmetered.ts";
import { startTransportServer, type TransportServer } from "../../../servers/transport-server.ts";

const packageFetch = undici.fetch as unknown as typeof fetch;
const IMAGES = "/v1/images/generations";

let http: TransportServer;
let slow: TransportServer;
let tls: TransportServer;
let h2c: TransportServer;
let watched: Watched;
let insecure: undici.Agent;

/** The built-in undici's Agent, of another version than the package. */
const builtInAgent = async (): Promise<typeof undici.Agent> => {
  await fetch("data:,");
  // From Node 26 on the first of them only wraps the second.
  const slots = globalThis as Record<symbol, object | undefined>;
  const found = [2, 1].map((version) => slots[Symbol.for(`undici.globalDispatcher.${version}`)]).find(Boolean);
  return (found as object).constructor as typeof undici.Agent;
};

beforeAll(async () => {
  [http, slow, tls, h2c] = await Promise.all([
    startTransportServer("http"),
    startTransportServer("http", 5),
    startTransportServer("tls", 5),
    startTransportServer("h2c"),
  ]);
});
afterAll(async () => {
  await Promise.all([http, slow, tls, h2c].map((server) => server.close()));
  removeStateDirs();
});
beforeEach(async () => {
  const hosts = [http, slow, tls, h2c].map(({ host }) => ({ host, like: "api.openai.com" }));
  watched = await watchUnmetered({ hosts });
  insecure = new undici.Agent({ allowH2: true, connect: { rejectUnauthorized: false } });
});
afterEach(async () => {
  await watched.stop();
  await insecure.close();
});

const read = async (response: Response | Promise<Response>): Promise<string> => (await response).text();

/** Every way around fetch: what it sends, and to which of the servers. */
const AROUND: Record<string, readonly [server: () => TransportServer, send: () => Promise<unknown>, said: string]> = {
  "undici's fetch": [() => http, () => read(packageFetch(http.url + CHAT_PATH, CHAT_INIT)), "undici package"],
  "undici's request": [
    () => http,
    async () => (await undici.request(http.url + CHAT_PATH, { method: "POST", body: CHAT_BODY })).body.text(),
    "undici package",
  ],
  "undici's stream": [
    () => http,
    () =>
      undici.stream(
        http.url + CHAT_PATH,
        { method: "POST", body: CHAT_BODY },
        () => new Writable({ write: (_chunk, _encoding, done) => done() }),
      ),
    "undici package",
  ],
  "undici over HTTP/2": [
    () => tls,
    async () =>
      (
        await undici.request(tls.url + CHAT_PATH, { method: "POST", body: CHAT_BODY, dispatcher: insecure })
      ).body.text(),
    "undici package",
  ],
  "undici over HTTP/2 without TLS": [
    () => h2c,
    async () => {
      const client = new undici.H2CClient(h2c.url);
      const { body } = await client.request({ path: CHAT_PATH, method: "POST", body: CHAT_BODY });
      await body.text();
      await client.close();
    },
    "undici package",
  ],
  "a fetch that was there before": [() => http, () => read(before(http.url + CHAT_PATH, CHAT_INIT)), "undici package"],
  "node:http": [() => http, () => postHttp(http.url + CHAT_PATH), "node:http, as axios"],
  "node:https": [() => tls, () => postHttp(tls.url + CHAT_PATH), "node:http, as axios"],
  "node:http2": [() => h2c, () => postHttp2(h2c.url), "node:http2"],
  "node:http2 over TLS": [() => tls, () => postHttp2(tls.url), "node:http2"],
  "fetch of an API that we do not read": [() => http, () => read(fetch(http.url + IMAGES, CHAT_INIT)), "images API"],
  "Bedrock over HTTP/2": [() => h2c, () => postHttp2(h2c.url, "/model/amazon.nova-pro-v1%3A0/converse"), "node:http2"],
};

const before = globalThis.fetch;

describe("what goes around fetch", () => {
  test.each(Object.entries(AROUND))("%s counts once", async (_, [server, send, said]) => {
    const { host, seen } = server();
    const arrived = seen.length;
    await send();
    expect(await watched.unmetered()).toEqual({ [host]: 1 });
    expect(watched.said).toHaveLength(1);
    expect(watched.said[0]).toContain(said);
    expect(watched.said[0]).toContain(host);
    await send();
    expect(await watched.unmetered()).toEqual({ [host]: 2 });
    expect(watched.said).toHaveLength(1);
    expect(seen.length - arrived).toBe(2);
    expect(watched.calls).toEqual([]);
  });
});

const openai = (fetch: typeof globalThis.fetch = globalThis.fetch): OpenAI =>
  new OpenAI({ apiKey: "k", baseURL: `${http.url}/v1`, fetch, maxRetries: 0 });
const chat = { model: "gpt-5", messages: [{ role: "user" as const, content: "Hi" }] };
const wrap: typeof fetch = (input, init) => watched.runtime.wrapFetch(packageFetch)(input, init);
const through = (dispatcher: undici.Dispatcher): RequestInit => ({ ...CHAT_INIT, dispatcher }) as RequestInit;

/** Every way of calling that is metered, and how many calls it makes. */
const METERED: Record<string, readonly [calls: number, send: () => Promise<unknown>]> = {
  "the global fetch": [1, () => read(fetch(http.url + CHAT_PATH, CHAT_INIT))],
  "with a query and a slash": [1, () => read(fetch(`${http.url}${CHAT_PATH}/?api-version=1`, CHAT_INIT))],
  "a Request": [1, () => read(fetch(new Request(http.url + CHAT_PATH, CHAT_INIT)))],
  "a body that streams": [
    1,
    () => {
      const body = new Blob([CHAT_BODY]).stream();
      return read(fetch(http.url + CHAT_PATH, { ...CHAT_INIT, body, duplex: "half" } as RequestInit));
    },
  ],
  "wrapFetch over undici's": [1, () => read(wrap(http.url + CHAT_PATH, CHAT_INIT))],
  "wrapFetch over a fetch of node:http": [
    1,
    () => read(watched.runtime.wrapFetch(nodeFetch)(http.url + CHAT_PATH, CHAT_INIT)),
  ],
  "wrapFetch over one of node:http2": [
    1,
    () => {
      const inner = (async () => {
        await postHttp2(h2c.url);
        return Response.json({ choices: [] });
      }) as typeof fetch;
      return read(watched.runtime.wrapFetch(inner)(h2c.url + CHAT_PATH, CHAT_INIT));
    },
  ],
  "over HTTP/2": [1, () => read(wrap(tls.url + CHAT_PATH, through(insecure)))],
  "a redirect": [1, () => read(fetch(`${http.url}/moved/v1/responses`.replace("/v1/responses", CHAT_PATH), CHAT_INIT))],
  "a redirect that node:http follows": [
    1,
    () => read(watched.runtime.wrapFetch(nodeFetch)(`${http.url}/moved${CHAT_PATH}`, CHAT_INIT)),
  ],
  "a retry inside a fetch of node:http": [
    1,
    () => read(watched.runtime.wrapFetch(nodeFetch)(`${http.url}/down${CHAT_PATH}`, CHAT_INIT)),
  ],
  "retries of undici's dispatcher": [
    1,
    () => {
      const options = { maxRetries: 2, minTimeout: 1, methods: ["POST"], statusCodes: [503] } as const;
      const agent = new undici.RetryAgent(new undici.Agent({ connections: 2 }), options as never);
      return read(wrap(`${http.url}/down${CHAT_PATH}`, through(agent))).catch(() => {});
    },
  ],
  "a fetch that sends elsewhere than it was told": [
    1,
    () => {
      const inner: typeof fetch = (_, init) => packageFetch(http.url + CHAT_PATH, init as never) as never;
      return read(watched.runtime.wrapFetch(inner)("https://api.openai.com/v1/chat/completions", CHAT_INIT));
    },
  ],
  "a wrapped fetch around the hooked one": [
    1,
    () => read(watched.runtime.wrapFetch((input, init) => fetch(input, init))(http.url + CHAT_PATH, CHAT_INIT)),
  ],
  "OpenAI's SDK": [1, () => openai().chat.completions.create(chat)],
  "a stream of OpenAI's SDK": [
    1,
    async () => {
      for await (const _ of await openai().chat.completions.create({ ...chat, stream: true }));
    },
  ],
  "OpenAI's SDK with undici's fetch": [1, () => openai(wrap).chat.completions.create(chat)],
  "Anthropic's SDK": [
    1,
    () =>
      new Anthropic({ apiKey: "k", baseURL: http.url, maxRetries: 0 }).messages.create({
        model: "claude-sonnet-4-6",
        max_tokens: 10,
        messages: chat.messages,
      }),
  ],
  "an embedding": [
    1,
    () => read(fetch(`${http.url}/v1/embeddings`, { ...CHAT_INIT, body: '{"model":"m","input":"Hi"}' })),
  ],
  "an answer with an error": [1, () => read(fetch(`${http.url}/down${CHAT_PATH}`, CHAT_INIT))],
  "a call that is aborted": [
    1,
    () => fetch(slow.url + CHAT_PATH, { ...CHAT_INIT, signal: AbortSignal.timeout(1) }).catch(() => {}),
  ],
  "a call that is refused a connection": [1, () => fetch(`http://127.0.0.1:1${CHAT_PATH}`, CHAT_INIT).catch(() => {})],
};

describe("what is metered", () => {
  test.each(Object.entries(METERED))("%s never counts", async (_, [calls, send]) => {
    for (let round = 0; round < 3; round++) await send();
    await watched.runtime.flush();
    expect(await watched.unmetered()).toEqual({});
    expect(watched.calls).toHaveLength(3 * calls);
    expect(watched.said).toEqual([]);
  });

  /** Dispatchers that let calls wait for one another, their server, and the bare fetch that takes them. */
  const QUEUES: Record<string, () => Promise<[undici.Dispatcher, TransportServer, typeof fetch]>> = {
    "one connection": async () => [new undici.Agent({ connections: 1 }), slow, packageFetch],
    "two connections": async () => [new undici.Agent({ connections: 2 }), slow, packageFetch],
    "two connections of Node's own undici": async () => [new (await builtInAgent())({ connections: 2 }), slow, before],
    pipelining: async () => [new undici.Agent({ connections: 1, pipelining: 4 }), slow, packageFetch],
    "HTTP/2": async () => [
      new undici.Agent({ allowH2: true, connections: 2, connect: { rejectUnauthorized: false } }),
      tls,
      packageFetch,
    ],
  };

  test.each(Object.entries(QUEUES))("calls that wait for %s: bypassing ones among them count", async (_, make) => {
    const [dispatcher, { url, host }, bare] = await make();
    const metered = watched.runtime.wrapFetch((input, init) => bare(input, init));
    let around = 0;
    let total = 0;
    const mixes = fc.array(
      fc.record({
        way: fc.constantFrom("metered", "metered", "bare", "node:http"),
        path: fc.constantFrom(CHAT_PATH, CHAT_PATH, "/v1/embeddings"),
        at: fc.nat(20),
      }),
      { minLength: 10, maxLength: 60 },
    );
    await fc.assert(
      fc.asyncProperty(mixes, async (mix) => {
        const init = { ...through(dispatcher), body: JSON.stringify({ ...chat, input: "Hi" }) };
        await Promise.all(
          mix.map(async ({ way, path, at }) => {
            await new Promise((resolve) => setTimeout(resolve, at));
            if (way === "metered") await read(metered(url + path, init));
            else if (way === "bare") await read(bare(url + path, init));
            else await postHttp(url + path);
          }),
        );
        total += mix.filter(({ way }) => way === "metered").length;
        around += mix.filter(({ way }) => way !== "metered").length;
        await watched.runtime.flush();
        expect((await watched.unmetered())[host] ?? 0).toBe(around);
        expect(watched.calls).toHaveLength(total);
      }),
      { numRuns: 15 },
    );
    await dispatcher.destroy();
  });
});
