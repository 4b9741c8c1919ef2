import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isBlocked } from "../../../../src/guard/blocked.ts";
import { LOCALHOST } from "../../../fixtures/localhost.ts";
import { bodyFor, CHUNK, KINDS, METERED, pieces } from "../fetch/body/answers.ts";
import { type Switched, startSwitched } from "../node-http/metering.ts";

const PATH = "/v1/chat/completions";
const HEADERS = {
  ":method": "POST",
  ":path": PATH,
  "content-type": "application/json",
  authorization: "Bearer sk-secret",
};
const NONE = { budgets: [{ name: "none at all", per: "hour", calls: 0 }] };
const STREAM = KINDS["stream, usage asked"]?.request as string;
const JSON_BODY = KINDS.JSON?.request as string;

interface Vendor {
  readonly url: string;
  readonly host: string;
  readonly seen: { readonly headers: IncomingHttpHeaders; readonly body: string }[];
  close(): Promise<void>;
}

/** A vendor over HTTP/2: whole, or with an ending that its path names. */
async function startVendor(server: Http2Server, scheme: string): Promise<Vendor> {
  const seen: { headers: IncomingHttpHeaders; body: string }[] = [];
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => sessions.add(session));
  server.on("sessionError", () => {});
  server.on("stream", (stream: ServerHttp2Stream, headers) => void answer(stream, headers).catch(() => {}));

  async function answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    stream.on("error", () => {});
    let body = "";
    for await (const chunk of stream) body += String(chunk);
    const { ":date": _, ...rest } = headers;
    seen.push({ headers: { ...rest }, body });
    const path = String(headers[":path"]);
    const text = bodyFor(body);
    const type = text.startsWith("data:") ? "text/event-stream; charset=utf-8" : "application/json";
    stream.respond({ ":status": 200, "content-type": type });
    const chunks = pieces(Buffer.from(text), CHUNK);
    const isWhole = !/^\/(?:reset|cancel|goaway|cut|hang)/.test(path);
    for (const chunk of isWhole ? chunks : chunks.slice(0, 3)) {
      await new Promise((resolve) => stream.write(chunk, resolve));
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (isWhole) stream.end();
    else if (path.startsWith("/reset")) stream.close(2);
    else if (path.startsWith("/cancel")) stream.close(8);
    else if (path.startsWith("/goaway")) stream.session?.goaway(2);
    else if (path.startsWith("/cut")) stream.session?.socket.destroy();
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `${scheme === "https" ? "localhost" : "127.0.0.1"}:${(server.address() as AddressInfo).port}`;
  return {
    url: `${scheme}://${host}`,
    host,
    seen,
    async close() {
      for (const session of sessions) session.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

let switched: Switched;
let vendors: Readonly<Record<"h2c" | "TLS", Vendor>>;
let session: ClientHttp2Session;

beforeAll(async () => {
  switched = await startSwitched();
  vendors = {
    h2c: await startVendor(createServer(), "http"),
    TLS: await startVendor(createSecureServer(LOCALHOST) as Http2Server, "https"),
  };
});
afterAll(async () => {
  await Promise.all([switched.stop(), ...Object.values(vendors).map((vendor) => vendor.close())]);
});

const metered = <T>(run: () => Promise<T>, config: object = {}): Promise<T> => {
  const hosts = Object.values(vendors).map(({ host }) => ({ host, like: "api.openai.com" }));
  return switched.metered(run, { hosts, ...config });
};

function open(vendor: Vendor = vendors.h2c): ClientHttp2Session {
  session = connect(vendor.url, { rejectUnauthorized: false });
  session.on("error", () => {});
  return session;
}
afterEach(() => session?.destroy());

type Write = (stream: ClientHttp2Stream, body: string) => unknown;
const WAYS: Readonly<Record<string, Write>> = {
  "end(text)": (stream, body) => stream.end(body),
  "end(bytes)": (stream, body) => stream.end(Buffer.from(body)),
  "write, then end": (stream, body) => {
    stream.write(body);
    stream.end();
  },
  "in pieces": async (stream, body) => {
    for (let at = 0; at < body.length; at += 20) {
      await new Promise<void>((done) => setImmediate(done));
      stream.write(body.slice(at, at + 20));
    }
    stream.end();
  },
  piped: (stream, body) => Readable.from([Buffer.from(body)]).pipe(stream),
};

async function send(at: ClientHttp2Session, body: string, write: Write, headers: object = HEADERS) {
  const stream = at.request(headers as never);
  return finish(stream, body, write);
}

async function finish(stream: ClientHttp2Stream, body: string, write: Write) {
  const events: string[] = [];
  for (const name of ["finish", "response", "end", "aborted", "close"]) stream.on(name, () => events.push(name));
  stream.on("error", (error: NodeJS.ErrnoException) => events.push(String(error.code)));
  const closed = new Promise((resolve) => stream.once("close", resolve));
  let status: unknown;
  stream.on("response", (head) => {
    status = head[":status"];
  });
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
  });
  await write(stream, body);
  await closed;
  return { status, text, events, rst: stream.rstCode, keys: Object.keys(stream).length };
}

describe.each(["h2c", "TLS"] as const)("%s", (kind) => {
  for (const connected of [false, true]) {
    let right = 0;
    const name = connected ? "a session that is connected" : "a session that connects";
    const begin = async (): Promise<ClientHttp2Session> => {
      const at = open(vendors[kind]);
      if (connected) await new Promise((resolve) => at.once("connect", resolve));
      return at;
    };
    describe(name, () => {
      for (const [way, write] of Object.entries(WAYS)) {
        test.each(Object.entries(KINDS))(`${way}: %s`, async (_, { request, hidden }) => {
          const { seen } = vendors[kind];
          const from = seen.length;
          const bare = await send(await begin(), request, write);
          const ours = await metered(async () => send(await begin(), request, write));
          expect(ours).toEqual(bare);
          const [expected, came] = seen.slice(from);
          expect(came?.headers).toEqual(expected?.headers);
          if (hidden) expect(JSON.parse(came?.body ?? "").stream_options).toEqual({ include_usage: true });
          else expect(came?.body).toEqual(expected?.body);
          expect(switched.calls).toMatchObject([
            { ending: "completed", quality: "reported", usage: METERED, status: 200 },
          ]);
          expect([...switched.runtime.faults.counts()]).toEqual([]);
          right += 1;
        });

        test(`${way}: refused`, async () => {
          const { seen } = vendors[kind];
          const from = seen.length;
          const run = async () => {
            const at = await begin();
            const got = await send(at, JSON_BODY, write);
            // The session goes on.
            const other = await send(at, "{}", write, { ...HEADERS, ":path": "/other" });
            return { got, other };
          };
          const { got, other } = await metered(run, NONE);
          expect(got.status).toBe(402);
          expect(isBlocked(JSON.parse(got.text))).toMatchObject({ reason: "budget", budget: "none at all" });
          expect([...got.events].sort()).toEqual(["close", "end", "finish", "response"]);
          expect(got.rst).toBe(0);
          expect(other.status).toBe(200);
          expect(seen.slice(from).map(({ headers }) => headers[":path"])).toEqual(["/other"]);
          expect(switched.calls.map(({ ending }) => ending)).toEqual(["blocked"]);
          right += 1;
        });
      }
      afterAll(() => {
        const all = Object.keys(WAYS).length * (Object.keys(KINDS).length + 1);
        console.log(`node:http2 requests as without us, ${kind}, ${name}, Node ${process.version}: ${right} of ${all}`);
      });
    });
  }
});

type Act = (stream: ClientHttp2Stream) => unknown;
const end: Act = (stream) => stream.end(STREAM);
const afterData =
  (act: Act): Act =>
  (stream) => {
    stream.once("data", () => setImmediate(() => act(stream)));
    stream.end(STREAM);
  };
const ENDINGS: Readonly<Record<string, readonly [ending: string, path: string, act: Act]>> = {
  "read to the end": ["completed", PATH, end],
  "reset by the vendor": ["failed", `/reset${PATH}`, end],
  "canceled by the vendor": ["failed", `/cancel${PATH}`, end],
  "the vendor goes away": ["failed", `/goaway${PATH}`, end],
  "the socket is cut": ["failed", `/cut${PATH}`, end],
  destroyed: ["canceled", `/hang${PATH}`, afterData((stream) => stream.destroy())],
  closed: ["canceled", `/hang${PATH}`, afterData((stream) => stream.close(8))],
  "closed without a code": ["canceled", `/hang${PATH}`, afterData((stream) => stream.close())],
  "session destroyed": ["canceled", `/hang${PATH}`, afterData((stream) => stream.session?.destroy())],
  "destroyed at once": [
    "canceled",
    `/hang${PATH}`,
    (stream) => {
      stream.end(STREAM);
      stream.destroy();
    },
  ],
};

describe("every ending settles one call, and is as without us", () => {
  let right = 0;
  test.each(Object.entries(ENDINGS))("%s", async (_, [ending, path, act]) => {
    const run = async () => finish(open().request({ ...HEADERS, ":path": path }), "", act);
    const bare = await run();
    expect(await metered(run)).toEqual(bare);
    expect(switched.calls.map((call) => call.ending)).toEqual([ending]);
    expect([...switched.runtime.faults.counts()]).toEqual([]);
    right += 1;
  });

  test("an abort signal", async () => {
    const run = async () => {
      const controller = new AbortController();
      const stream = open().request({ ...HEADERS, ":path": `/hang${PATH}` }, { signal: controller.signal });
      return finish(
        stream,
        "",
        afterData(() => controller.abort()),
      );
    };
    const bare = await run();
    expect(await metered(run)).toEqual(bare);
    expect(switched.calls.map((call) => call.ending)).toEqual(["canceled"]);
    right += 1;
  });
  afterAll(() => {
    console.log(
      `node:http2 endings as without us, Node ${process.version}: ${right} of ${Object.keys(ENDINGS).length + 1}`,
    );
  });
});

describe("sessions", () => {
  test("many streams at once are a call each", async () => {
    const end: Write = (stream, body) => stream.end(body);
    await metered(async () => {
      const at = open();
      await Promise.all(Array.from({ length: 50 }, () => send(at, STREAM, end)));
    });
    expect(switched.calls).toHaveLength(50);
    expect(switched.calls.every(({ usage, ending }) => usage?.input === METERED.input && ending === "completed")).toBe(
      true,
    );
  });

  test("headers of ours are read, and not sent", async () => {
    const end: Write = (stream, body) => stream.end(body);
    const from = vendors.h2c.seen.length;
    await metered(async () => {
      await send(open(), STREAM, end, { ...HEADERS, "x-spendfuse-agent": "writer" });
    });
    expect(switched.calls).toMatchObject([{ scope: { agent: "writer" } }]);
    expect(JSON.stringify(vendors.h2c.seen[from]?.headers)).not.toContain("spendfuse");
  });

  test("a long body is known before it is admitted", async () => {
    const body = JSON.stringify({
      ...JSON.parse(JSON_BODY),
      messages: [{ role: "user", content: "x".repeat(300_000) }],
    });
    await metered(() => send(open(), body, WAYS["write, then end"] as Write));
    expect(switched.calls).toMatchObject([{ requestModel: "gpt-5-mini", usage: METERED }]);
    await metered(() => send(open(), body, WAYS.piped as Write), NONE);
    expect(switched.calls.map(({ ending }) => ending)).toEqual(["blocked"]);
  });

  test("what is no model call, and what is switched off, is not touched", async () => {
    const end: Write = (stream, body) => stream.end(body);
    await metered(() => send(open(), "{}", end, { ...HEADERS, ":path": "/v1/models" }));
    await metered(() => send(open(), STREAM, end), { transportsOff: ["http2"] });
    expect(switched.calls).toEqual([]);
  });

  test("show us in nothing, and have their own method back", async () => {
    const sessions = Object.getPrototypeOf(open()) as { request: object };
    const look = () => [
      Reflect.ownKeys(sessions),
      Reflect.ownKeys(sessions.request),
      Object.getOwnPropertyDescriptors(sessions.request),
      { ...Object.getOwnPropertyDescriptor(sessions, "request"), value: undefined },
    ];
    const bare = look();
    const original = sessions.request;
    await metered(async () => {
      expect(sessions.request).not.toBe(original);
      expect(look()).toEqual(bare);
    });
    expect(sessions.request).toBe(original);
  });
});
