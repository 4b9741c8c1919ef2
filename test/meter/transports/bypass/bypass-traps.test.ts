import { channel } from "node:diagnostics_channel";
import { createServer, type Server } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import * as undici from "undici";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  CHAT_BODY,
  CHAT_INIT,
  CHAT_PATH,
  openWebSocket,
  postHttp,
  postHttp2,
  postInSession,
  shakeHands,
} from "../../../fixtures/around-fetch.ts";
import { removeStateDirs } from "../../../fixtures/exporting.ts";
import { type Watched, watchUnmetered } from "../../../fixtures/unmetered.ts";
import { startTransportServer, type TransportServer } from "../../../servers/transport-server.ts";

/** `known` is in the configuration, `other` is not. */
let known: TransportServer;
let other: TransportServer;
let h2c: TransportServer;
let proxy: Server;
let proxyUrl: string;
let watched: Watched;
const tunnels = new Set<Socket>();

const read = async (response: Response | Promise<Response>): Promise<string> => (await response).text();
const packageFetch = undici.fetch as unknown as typeof fetch;
const row = (host: string) => ({ host, like: "api.openai.com" });

beforeAll(async () => {
  known = await startTransportServer("http");
  other = await startTransportServer("http");
  h2c = await startTransportServer("h2c");
  // Answers itself what it is asked in absolute form, and opens tunnels.
  proxy = createServer((request, response) => request.resume().on("end", () => response.end("{}")));
  proxy.on("connect", (request, socket: Socket) => {
    const [host, port] = (request.url ?? "").split(":");
    const inner = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      inner.pipe(socket).pipe(inner);
    });
    for (const end of [inner, socket]) {
      tunnels.add(end);
      end.on("error", () => {});
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
});
afterAll(async () => {
  for (const socket of tunnels) socket.destroy();
  proxy.closeAllConnections();
  proxy.close();
  await Promise.all([known, other, h2c].map((server) => server.close()));
  removeStateDirs();
});
beforeEach(async () => {
  watched = await watchUnmetered({ hosts: [row(known.host)] });
});
afterEach(() => watched.stop());

const NOTHING: Record<string, () => Promise<unknown>> = {
  "a list of models": () => read(fetch(`${known.url}/v1/models`)),
  "a GET over node:http": () => postHttp(`${known.url}/v1/models`, "", { method: "GET" }),
  "tokens that are only counted": () => postHttp(`${known.url}/v1/messages/count_tokens`),
  "a file that is uploaded": () => read(packageFetch(`${known.url}/v1/files`, CHAT_INIT)),
  "a WebSocket to somebody": () => openWebSocket(`${other.url}/realtime`),
  "a handshake of somebody's": () => shakeHands(`${other.url}/socket`),
  "another upgrade": () =>
    shakeHands(`${known.url}/v1/realtime`, { headers: { connection: "Upgrade", upgrade: "h2c" } }),
  "messages of another kind": () => postHttp(`${other.url}/v1/messages`),
  "images of somebody's": () => postHttp(`${other.url}/v1/images/generations`),
  "metrics as we export them": () => postHttp(`${other.url}/v1/metrics`),
  "a fetch whose body is none of ours": () =>
    read(fetch(`${other.url}/v1/chat/completions`, { method: "POST", body: '{"room":7}' })),
  "its like through undici": () =>
    read(watched.runtime.wrapFetch(packageFetch)(`${other.url}/v1/chat/completions`, { method: "POST", body: "text" })),
};

describe("what costs nothing", () => {
  test.each(Object.entries(NOTHING))("%s", async (_, send) => {
    await send();
    expect(await watched.unmetered()).toEqual({});
    expect(watched.said).toEqual([]);
  });
});

const VERSION = { "anthropic-version": "2023-06-01" };

/** At an unknown host. */
const KEY = { authorization: "Bearer sk-test" };
const SPEAKING: Record<string, () => Promise<unknown>> = {
  "chat completions over node:http": () => postHttp(`${other.url}/openai/v1/chat/completions?api-version=1`),
  "responses with a key through undici": () =>
    read(packageFetch(`${other.url}/v1/responses/`, { ...CHAT_INIT, headers: KEY })),
  "embeddings with a key": () => postHttp(`${other.url}/v1/embeddings`, CHAT_BODY, { headers: KEY }),
  generateContent: () => postHttp(`${other.url}/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse`),
  "messages with Anthropic's header over node:http": () =>
    postHttp(`${other.url}/v1/messages`, CHAT_BODY, { headers: VERSION }),
  "messages with Anthropic's header through undici": () =>
    read(packageFetch(`${other.url}/v1/messages`, { ...CHAT_INIT, headers: VERSION })),
};

describe("at hosts that we do not know", () => {
  test.each(Object.entries(SPEAKING))("%s", async (_, send) => {
    await send();
    expect(await watched.unmetered()).toEqual({ [other.host]: 1 });
  });

  test("messages with Anthropic's header over node:http2", async () => {
    await postHttp2(h2c.url, "/v1/messages", CHAT_BODY, VERSION);
    expect(await watched.unmetered()).toEqual({ [h2c.host]: 1 });
  });

  test("of a session the authority of each request tells the host", async () => {
    const session = connectHttp2(h2c.url);
    const more = { ":authority": "Bedrock-Runtime.eu-west-1.amazonaws.com:80" };
    await postInSession(session, "/model/m/invoke-with-response-stream", "{}", more);
    session.close();
    expect(await watched.unmetered()).toEqual({ "bedrock-runtime.eu-west-1.amazonaws.com": 1 });
    expect(watched.said.join()).toContain("node:http2");
  });

  test("a hundred are named, the others add up", async () => {
    for (let at = 0; at < 130; at++) {
      await postHttp(other.url + CHAT_PATH, CHAT_BODY, { headers: { host: `H${at}.example:80` } });
    }
    const counts = await watched.unmetered();
    expect(Object.keys(counts)).toHaveLength(101);
    expect([counts["h0.example"], counts["h99.example"], counts.other]).toEqual([1, 1, 30]);
    expect(watched.said).toHaveLength(100);
  });
});

describe("through a proxy", () => {
  test("the tunnel is no call, what goes through it is", async () => {
    const dispatcher = new undici.ProxyAgent({ uri: proxyUrl, proxyTunnel: true });
    await read(packageFetch(known.url + CHAT_PATH, { ...CHAT_INIT, dispatcher } as RequestInit));
    expect(await watched.unmetered()).toEqual({ [known.host]: 1 });
    await read(
      watched.runtime.wrapFetch(packageFetch)(known.url + CHAT_PATH, { ...CHAT_INIT, dispatcher } as RequestInit),
    );
    expect(await watched.unmetered()).toEqual({ [known.host]: 1 });
    await dispatcher.close();
  });

  test("a whole address in the place of the path is read, over node:http and undici", async () => {
    await postHttp(proxyUrl, CHAT_BODY, { path: `http://api.openai.com${CHAT_PATH}` });
    expect(await watched.unmetered()).toEqual({ "api.openai.com": 1 });
    const dispatcher = new undici.ProxyAgent({ uri: proxyUrl, proxyTunnel: false });
    const to = `http://API.groq.com/openai${CHAT_PATH}`;
    await read(packageFetch(to, { ...CHAT_INIT, dispatcher } as RequestInit));
    expect(await watched.unmetered()).toEqual({ "api.openai.com": 1, "api.groq.com": 1 });
    await read(watched.runtime.wrapFetch(packageFetch)(to, { ...CHAT_INIT, dispatcher } as RequestInit));
    expect(await watched.unmetered()).toEqual({ "api.openai.com": 1, "api.groq.com": 1 });
    await dispatcher.close();
  });
});

describe("the watch", () => {
  test("follows the configuration", async () => {
    const send = () => postHttp(`${other.url}/v1/images/generations`);
    await send();
    await watched.runtime.start({ telemetry: false, config: { hosts: [row(other.host)] } });
    await send();
    expect(await watched.unmetered()).toEqual({ [other.host]: 1 });
  });

  test("is over when the hook is removed, and begins again with it", async () => {
    await postHttp(known.url + CHAT_PATH);
    expect(await watched.unmetered()).toEqual({ [known.host]: 1 });
    await watched.runtime.stop();
    await postHttp(known.url + CHAT_PATH);
    await read(fetch(known.url + CHAT_PATH, CHAT_INIT));
    await watched.runtime.start({
      telemetry: false,
      config: { hosts: [row(known.host)], transportsOff: ["node-http", "undici"] },
    });
    await postHttp(known.url + CHAT_PATH);
    expect(await watched.unmetered()).toEqual({ [known.host]: 2 });
  });

  test("sees what leaves in the context of a call that was answered", async () => {
    const around = Promise.withResolvers<unknown>();
    const inner = (async (input, init) => {
      // As what reads a body of node:http does, whose events come in the context of its request.
      const answer = await packageFetch(input as string, init);
      setTimeout(() => around.resolve(postHttp(known.url + CHAT_PATH)), 1);
      return answer;
    }) as typeof fetch;
    await read(watched.runtime.wrapFetch(inner)(known.url + CHAT_PATH, CHAT_INIT));
    await around.promise;
    expect(await watched.unmetered()).toEqual({ [known.host]: 1 });
  });

  test("a fetch in such a context is a call of its own", async () => {
    const later = Promise.withResolvers<unknown>();
    const inner = (async (input, init) => {
      const answer = await packageFetch(input as string, init);
      setTimeout(() => later.resolve(read(fetch(known.url + CHAT_PATH, CHAT_INIT))), 1);
      return answer;
    }) as typeof fetch;
    await read(watched.runtime.wrapFetch(inner)(known.url + CHAT_PATH, CHAT_INIT));
    await later.promise;
    await watched.runtime.flush();
    expect(watched.calls).toHaveLength(2);
    expect(await watched.unmetered()).toEqual({});
  });

  test("swallows what it throws", async () => {
    for (const name of ["undici:request:create", "http.client.request.start", "http2.client.stream.start"]) {
      channel(name).publish({ request: {}, stream: {} });
      channel(name).publish(undefined);
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(watched.runtime.faults.counts().get("bypass")).toBe(6);
    expect(watched.said.filter((line) => line.includes("bypass"))).toHaveLength(1);
  });

  test("swallows a failure to log", async () => {
    await watched.stop();
    watched = await watchUnmetered({}, () => {
      throw new Error("stderr is closed");
    });
    expect((await postHttp(other.url + CHAT_PATH)).status).toBe(200);
    expect(watched.runtime.faults.counts().get("bypass")).toBe(1);
    expect(await watched.unmetered(["bypass"])).toEqual({ [other.host]: 1 });
  });
});
