import { createServer, type IncomingMessage, request } from "node:http";
import { connect, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { PassThrough, type Readable, type Transform, type Writable } from "node:stream";
import zlib from "node:zlib";
import * as undici from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isBlocked } from "../../../src/guard/blocked.ts";
import { eventually } from "../../eventually.ts";
import { type Guarded, guard, MODEL } from "../../guard/guarded.ts";

const PATH = "/v1/chat/completions";
const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, ZSTD_e_flush, ZSTD_c_checksumFlag } = zlib.constants;

/** A coding, and whether a stream that an encoder writes so can be ended with an event of ours. */
interface Coding {
  readonly name: string;
  readonly encode: () => Transform;
  readonly decode: () => Transform;
  /** `either`: an encoder that does not flush to a whole byte does so by chance only. */
  readonly ends: "with an event" | "with an error" | "either";
}

const deflated = { flush: Z_SYNC_FLUSH };
const CODINGS: Readonly<Record<string, Coding>> = {
  "not coded": {
    name: "identity",
    encode: () => new PassThrough(),
    decode: () => new PassThrough(),
    ends: "with an event",
  },
  gzip: {
    name: "gzip",
    encode: () => zlib.createGzip(deflated),
    decode: () => zlib.createGunzip(),
    ends: "with an event",
  },
  "x-gzip": {
    name: "x-gzip",
    encode: () => zlib.createGzip(deflated),
    decode: () => zlib.createGunzip(),
    ends: "with an event",
  },
  deflate: {
    name: "deflate",
    encode: () => zlib.createDeflate(deflated),
    decode: () => zlib.createInflate(),
    ends: "with an event",
  },
  br: {
    name: "br",
    encode: () => zlib.createBrotliCompress({ flush: BROTLI_OPERATION_FLUSH }),
    decode: () => zlib.createBrotliDecompress(),
    ends: "with an event",
  },
  zstd: {
    name: "zstd",
    encode: () => zlib.createZstdCompress({ flush: ZSTD_e_flush }),
    decode: () => zlib.createZstdDecompress(),
    ends: "with an event",
  },
  "zstd with a checksum": {
    name: "zstd",
    encode: () => zlib.createZstdCompress({ flush: ZSTD_e_flush, params: { [ZSTD_c_checksumFlag]: 1 } }),
    decode: () => zlib.createZstdDecompress(),
    ends: "with an error",
  },
  "gzip without a full flush": {
    name: "gzip",
    encode: () => zlib.createGzip({ flush: zlib.constants.Z_PARTIAL_FLUSH }),
    decode: () => zlib.createGunzip(),
    ends: "either",
  },
  "gzip, then br": {
    name: "gzip, br",
    encode: () =>
      zlib.createGzip(deflated).compose(zlib.createBrotliCompress({ flush: BROTLI_OPERATION_FLUSH })) as Transform,
    decode: () => zlib.createBrotliDecompress().compose(zlib.createGunzip()) as Transform,
    ends: "with an error",
  },
};

interface Sent {
  chunks: number;
  byClient: boolean;
}

interface Vendor {
  readonly url: string;
  readonly http2Url: string;
  readonly hosts: readonly string[];
  /** What is sent from now on: one event, more once `go` resolves. */
  play(coding: Coding, go: Promise<void>): Sent;
  close(): void;
}

const event = (n: number): string =>
  `data: ${JSON.stringify({ id: "1", model: MODEL, choices: [{ index: 0, delta: { content: `word ${n} ${Math.sin(n)}` } }] })}\n\n`;

async function startVendor(): Promise<Vendor> {
  let now: { coding: Coding; go: Promise<void>; sent: Sent };

  async function send(out: Writable & Readable): Promise<void> {
    const { coding, go, sent } = now;
    const encoder = coding.encode();
    encoder.pipe(out);
    out.on("error", () => {});
    out.on("close", () => {
      sent.byClient = sent.chunks < MOST;
    });
    for (; sent.chunks < MOST && !out.destroyed; sent.chunks += 1) {
      encoder.write(event(sent.chunks));
      if (sent.chunks === 0) await go;
      else await new Promise((resolve) => setTimeout(resolve, 5));
    }
    encoder.end();
  }
  const headers = () => ({ "content-type": "text/event-stream", "content-encoding": now.coding.name });
  const plain = createServer((incoming, response) => {
    incoming.resume();
    response.writeHead(200, headers());
    void send(response as never);
  });
  const sessions = new Set<{ destroy(): void }>();
  const http2 = createHttp2Server().on("session", (session) => sessions.add(session));
  http2.on("stream", (stream) => {
    stream.resume();
    stream.respond({ ":status": 200, ...headers() });
    void send(stream);
  });
  const listen = (server: { listen(port: number, host: string, done: () => void): unknown; address(): unknown }) =>
    new Promise<string>((resolve) =>
      server.listen(0, "127.0.0.1", () => resolve(`127.0.0.1:${(server.address() as AddressInfo).port}`)),
    );
  const hosts = [await listen(plain), await listen(http2)];
  return {
    url: `http://${hosts[0]}${PATH}`,
    http2Url: `http://${hosts[1]}`,
    hosts,
    play(coding, go) {
      now = { coding, go, sent: { chunks: 0, byClient: false } };
      return now.sent;
    },
    close() {
      plain.closeAllConnections();
      plain.close();
      for (const session of sessions) session.destroy();
      http2.close();
    },
  };
}

const MOST = 200;
const BODY = JSON.stringify({ model: MODEL, stream: true, messages: [{ role: "user", content: "Hi" }] });
const INIT = {
  method: "POST" as const,
  headers: { "content-type": "application/json", "accept-encoding": "gzip, deflate, br, zstd" },
  body: BODY,
};

let vendor: Vendor;
let one: Guarded;

beforeAll(async () => {
  vendor = await startVendor();
  const hosts = vendor.hosts.map((host) => ({ host, like: "api.openai.com" }));
  one = await guard(undefined, { cutStreams: true, breaker: { port: 0 }, hosts });
});
afterAll(async () => {
  await one.stop();
  vendor.close();
});

/** The events of an answer as its reader gets them. `decodes`: its client does that itself. */
interface Client {
  readonly decodes: boolean;
  read(): Promise<AsyncIterable<Uint8Array>>;
}

const CLIENTS: Readonly<Record<string, Client>> = {
  fetch: {
    decodes: true,
    read: async () => (await one.fetch(vendor.url, INIT)).body as AsyncIterable<Uint8Array>,
  },
  "node:http": {
    decodes: false,
    read: () =>
      new Promise<IncomingMessage>((resolve, reject) =>
        request(vendor.url, { method: INIT.method, headers: INIT.headers }, resolve).on("error", reject).end(BODY),
      ),
  },
  "undici request": {
    decodes: false,
    read: async () => (await undici.request(vendor.url, INIT)).body,
  },
  "undici fetch": {
    decodes: true,
    read: async () => (await undici.fetch(vendor.url, INIT)).body as AsyncIterable<Uint8Array>,
  },
  "node:http2": {
    decodes: false,
    async read() {
      const session = connect(vendor.http2Url);
      const stream = session.request({ ":method": "POST", ":path": PATH, ...INIT.headers });
      stream.on("close", () => session.close());
      stream.end(BODY);
      await new Promise((resolve) => stream.once("response", resolve));
      return stream;
    },
  },
};

function decode(body: AsyncIterable<Uint8Array>, coding: Coding): AsyncIterable<Uint8Array> {
  const decoder = coding.decode();
  (body as Readable).on("error", (error) => decoder.destroy(error));
  return (body as Readable).pipe(decoder);
}

async function trip(agent: string): Promise<void> {
  const body = JSON.stringify({ scope: `agent:${agent}`, reason: "enough" });
  await fetch(`${one.runtime.breakerUrl()}/circuits/trip`, { method: "POST", body });
}

/** Reads an answer whose circuit opens after its first event. */
async function readTripped(client: Client, coding: Coding, agent: string): Promise<{ text: string; error: unknown }> {
  const go = Promise.withResolvers<void>();
  const sent = vendor.play(coding, go.promise);
  const settled = one.settled.length;
  let text = "";
  let failed: unknown;
  try {
    const body = await one.runtime.scoping.scope({ agent }, () => client.read());
    for await (const part of client.decodes ? body : decode(body, coding)) {
      if (text === "") {
        await trip(agent);
        go.resolve();
      }
      text += Buffer.from(part).toString();
    }
  } catch (error) {
    failed = error;
  }
  await eventually(() => expect(one.settled).toHaveLength(settled + 1));
  expect(one.settled.at(-1)).toMatchObject({ ending: "canceled", usage: { output: expect.any(Number) } });
  await eventually(() => expect(sent.byClient).toBe(true));
  expect(sent.chunks).toBeLessThan(100);
  expect(one.runtime.faults.counts()).toEqual(new Map());
  return { text, error: failed };
}

describe.each(Object.entries(CLIENTS))("a stream that is cut, over %s", (clientName, client) => {
  test.each(Object.entries(CODINGS))("%s", async (codingName, coding) => {
    const agent = `${clientName} ${codingName}`.replace(/\W/g, "-");
    const { text, error } = await readTripped(client, coding, agent);
    const events = text.split("\n\n").filter(Boolean);
    const own = events.filter((part) => !part.includes("spendfuse"));
    expect(own.map((part) => `${part}\n\n`)).toEqual(own.map((_, n) => event(n)));
    expect(own.length).toBeGreaterThan(0);
    // What fetch gives is no longer coded.
    const { ends } = coding;
    if (ends === "with an event" || clientName === "fetch" || (ends === "either" && error === undefined)) {
      expect(error).toBeUndefined();
      expect(events.at(-1)).toContain("spendfuse");
    } else {
      expect(isBlocked(error)).toMatchObject({ reason: "circuit", scope: `agent:${agent}` });
    }
  });
});
