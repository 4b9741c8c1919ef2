import { createHash } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import * as undici from "undici";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { answer, type Switched, startSwitched } from "./node-http/metering.ts";

const PATH = "/v1/chat/completions";
const GEMINI = "/v1beta/models/gemini-2.5-flash:generateContent";
const HEADERS = { "content-type": "application/json", authorization: "Bearer sk-secret" };
const BODY = JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "Grüße, 世界" }], max_tokens: 900 });
const GEMINI_BODY = JSON.stringify({ contents: [{ parts: [{ text: "Hi" }] }] });
const models = { "gpt-4o": "gpt-4o-mini", "gemini-2.5-flash": "flash-lite" };
const LADDER = { downgrade: { at: 0, models }, shorten: { at: 0, maxOutput: 50 } };
const ROW = { scope: { agent: "*" }, per: "hour", calls: 1_000 };

const said: string[] = [];
let switched: Switched;
let vendor: { readonly server: Http2Server; readonly url: string; readonly seen: { path: string; body: string }[] };

beforeAll(async () => {
  switched = await startSwitched((line) => said.push(line));
  vendor = await startHttp2();
});
beforeEach(() => {
  said.length = 0;
  vendor.seen.length = 0;
  answer(switched.server);
});
afterAll(async () => {
  await switched.stop();
  await new Promise((resolve) => vendor.server.close(resolve));
});

async function startHttp2(): Promise<typeof vendor> {
  const seen: { path: string; body: string }[] = [];
  const server = createServer();
  server.on("stream", async (stream, headers) => {
    let body = "";
    for await (const chunk of stream) body += String(chunk);
    seen.push({ path: String(headers[":path"]), body });
    stream.respond({ ":status": 200, "content-type": "application/json" });
    stream.end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

interface Answered {
  readonly text: string;
  readonly header: (name: string) => unknown;
}
type Send = (url: string, body: string) => Promise<Answered>;

const REQUEST = { method: "POST", headers: HEADERS, body: BODY } as const;

/** Ways to make a call that its caller can abort. Each rejects when it is. */
const ABORTED_SENDS: Readonly<Record<string, (url: string, signal: AbortSignal) => Promise<unknown>>> = {
  fetch: (url, signal) => fetch(url, { ...REQUEST, signal }),
  "undici.request": (url, signal) => undici.request(url, { ...REQUEST, signal }),
  "undici.request with an event emitter": (url, signal) =>
    undici.request(url, { ...REQUEST, signal: emitterOf(signal) }),
  "undici.fetch": (url, signal) => undici.fetch(url, { ...REQUEST, signal }),
  "undici.stream": (url, signal) => undici.stream(url, { ...REQUEST, signal }, () => new PassThrough()),
  "undici.pipeline": (url, signal) =>
    new Promise((_resolve, reject) => {
      const through = undici.pipeline(url, { method: "POST", headers: HEADERS }, ({ body }) => body);
      through.on("error", reject).end(BODY);
      signal.addEventListener("abort", () => through.destroy(new Error("enough")));
    }),
  "node:http": (url, signal) =>
    new Promise((resolve, reject) => {
      const { body, ...options } = REQUEST;
      httpRequest(url, { ...options, signal }, resolve)
        .on("error", reject)
        .end(body);
    }),
};

const HTTP2_HEAD = { ":method": "POST", ":path": PATH, ...HEADERS };

/** Ways to give up a request on HTTP/2. */
const HTTP2_ABORTS: Readonly<
  Record<string, (session: ClientHttp2Session) => { readonly stream: ClientHttp2Stream; readonly abort: () => void }>
> = {
  "its signal": (session) => {
    const control = new AbortController();
    const stream = session.request(HTTP2_HEAD, { signal: control.signal });
    return { stream: stream.end(BODY), abort: () => control.abort() };
  },
  "close()": (session) => {
    const stream = session.request(HTTP2_HEAD).end(BODY);
    return { stream, abort: () => stream.close(constants.NGHTTP2_CANCEL) };
  },
  "destroy()": (session) => {
    const stream = session.request(HTTP2_HEAD).end(BODY);
    return { stream, abort: () => stream.destroy(new Error("enough")) };
  },
};

function emitterOf(signal: AbortSignal): EventEmitter {
  const emitter = new EventEmitter();
  signal.addEventListener("abort", () => emitter.emit("abort"));
  return emitter;
}

/** A call by `node:http`. `write` gives it its body. */
function byNode(headers: object, write: (request: ClientRequest, body: string) => void): Send {
  return (url, body) =>
    new Promise((resolve, reject) => {
      const request = httpRequest(url, { method: "POST", headers: { ...HEADERS, ...headers } });
      request.on("error", reject);
      request.on("response", async (message: IncomingMessage) => {
        let text = "";
        for await (const chunk of message) text += String(chunk);
        resolve({ text, header: (name) => message.headers[name] });
      });
      write(request, body);
    });
}

const lengthOf = (body: string): object => ({ "content-length": Buffer.byteLength(body) });

async function byFetch(input: string | Request, init?: object): Promise<Answered> {
  const response = await fetch(input, init as RequestInit);
  return { text: await response.text(), header: (name) => response.headers.get(name) };
}

async function byUndici(url: string, body: unknown, more: object = {}): Promise<Answered> {
  const answered = await undici.request(url, { method: "POST", headers: { ...HEADERS, ...more }, body } as never);
  return { text: await answered.body.text(), header: (name) => answered.headers[name] };
}

async function* piecesOf(body: string): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(body);
  for (let from = 0; from < bytes.length; from += 20) yield bytes.subarray(from, from + 20);
}

const post = (body: unknown, headers: object = {}) => ({ method: "POST", headers: { ...HEADERS, ...headers }, body });

/** Ways in which a body can be changed. */
const CHANGED: Readonly<Record<string, Send>> = {
  "fetch, text": (url, body) => byFetch(url, post(body)),
  "fetch, bytes": (url, body) => byFetch(url, post(Buffer.from(body))),
  "fetch, a Blob": (url, body) => byFetch(url, post(new Blob([body]))),
  "fetch, a Request": (url, body) => byFetch(new Request(url, post(body) as never)),
  "fetch, a Request and an init": (url, body) =>
    byFetch(new Request(url, post(body) as never), { headers: { ...HEADERS, "x-more": "1" } }),
  "undici, text": (url, body) => byUndici(url, body),
  "undici, text of known length": (url, body) => byUndici(url, body, lengthOf(body)),
  "undici, bytes": (url, body) => byUndici(url, Buffer.from(body)),
  "undici, a Blob": (url, body) => byUndici(url, new Blob([body])),
  "undici, pieces of known length": (url, body) => byUndici(url, piecesOf(body), lengthOf(body)),
  "undici's fetch": async (url, body) => {
    const response = await undici.fetch(url, post(body) as never);
    return { text: await response.text(), header: (name) => response.headers.get(name) };
  },
  "node:http, at its end": byNode({}, (request, body) => void request.end(body)),
  "node:http, of known length": (url, body) => byNode(lengthOf(body), (request) => void request.end(body))(url, body),
  "node:http, in pieces": byNode({}, (request, body) => {
    request.write(body.slice(0, 30));
    request.write(body.slice(30));
    request.end();
  }),
  "node:http, in pieces of known length": (url, body) =>
    byNode(lengthOf(body), (request) => {
      request.write(Buffer.from(body).subarray(0, 30));
      request.end(Buffer.from(body).subarray(30));
    })(url, body),
};

/** Ways in which it cannot, and goes out as it is. */
const FIXED: Readonly<Record<string, Send>> = {
  "fetch, a stream": (url, body) => byFetch(url, { ...post(new Blob([body]).stream()), duplex: "half" }),
  "fetch, of known length": (url, body) => byFetch(url, post(body, lengthOf(body))),
  "fetch, with a digest": (url, body) =>
    byFetch(url, post(body, { "content-digest": `sha-256=:${createHash("sha256").update(body).digest("base64")}:` })),
  "fetch, signed": (url, body) => byFetch(url, post(body, { authorization: "AWS4-HMAC-SHA256 Credential=x" })),
  "undici, a Node stream": (url, body) => byUndici(url, Readable.from([Buffer.from(body)])),
  "undici, pieces": (url, body) => byUndici(url, piecesOf(body)),
  "undici, a digest": (url, body) => byUndici(url, body, { "content-md5": "x" }),
  "node:http, signed": byNode({ authorization: "AWS4-HMAC-SHA256 Credential=x" }, (request, body) => {
    request.end(body);
  }),
  "node:http, after a pause": byNode({}, async (request, body) => {
    request.write(body.slice(0, 30));
    await new Promise((resolve) => setTimeout(resolve, 150));
    request.end(body.slice(30));
  }),
};

const budgets = (ladder?: object) => ({ budgets: [{ ...ROW, ...(ladder && { ladder }) }], askUsage: false });
const asked = () => switched.server.visits.map(({ path, body }) => ({ path, ...JSON.parse(body) }));

describe("a ladder", () => {
  test.each(Object.entries(CHANGED))("%s: changes the request, and says so", async (_, send) => {
    const bare = await switched.bare(() => send(`${switched.server.url}${PATH}`, BODY));
    answer(switched.server);
    // The first call waits for the prices: its body is written before it is changed.
    const answers = await switched.metered(async () => {
      const url = `${switched.server.url}${PATH}`;
      return [await send(url, BODY), await send(url, BODY)];
    }, budgets(LADDER));
    const changed = { path: PATH, ...JSON.parse(BODY), model: "gpt-4o-mini", max_tokens: 50 };
    expect(asked()).toEqual([changed, changed]);
    expect(answers.map(({ text }) => text)).toEqual([bare.text, bare.text]);
    for (const { header } of answers) {
      expect(header("x-spendfuse-downgraded-from")).toBe("gpt-4o");
      expect(header("x-spendfuse-max-output")).toBe("50");
    }
    const changes = { budget: "agent:* per hour", model: "gpt-4o", maxOutput: 50 };
    const call = { requestModel: "gpt-4o-mini", ending: "completed", changes };
    expect(switched.calls).toMatchObject([call, call]);
    expect(said.filter((line) => line.includes("are sent as they are"))).toEqual([]);
  });

  test.each(Object.entries(FIXED))("%s: leaves the request as it is, and says so once", async (_, send) => {
    await switched.metered(async () => {
      for (let time = 0; time < 2; time++) await send(`${switched.server.url}${PATH}`, BODY);
    }, budgets(LADDER));
    expect(switched.server.visits.map(({ body }) => body)).toEqual([BODY, BODY]);
    expect(switched.calls.map(({ changes }) => changes)).toEqual([undefined, undefined]);
    expect(said.filter((line) => line.includes("are sent as they are"))).toHaveLength(1);
  });

  test.each(Object.entries({ ...CHANGED, ...FIXED }))("%s: without a rung, byte for byte", async (_, send) => {
    const url = `${switched.server.url}${PATH}`;
    await switched.bare(() => send(url, BODY));
    const bare = switched.server.visits.map(({ body, headers }) => ({ body, headers }));
    answer(switched.server);
    await switched.metered(
      () => send(url, BODY),
      budgets({ ...LADDER, downgrade: { at: 1, models }, shorten: undefined }),
    );
    expect(switched.server.visits.map(({ body, headers }) => ({ body, headers }))).toEqual(bare);
  });

  test.each(Object.entries(CHANGED))(
    "%s: a model in the path is changed with the limit, or neither",
    async (name, send) => {
      await switched.metered(() => send(`${switched.server.url}${GEMINI}?alt=json`, GEMINI_BODY), {
        ...budgets(LADDER),
        hosts: [{ host: switched.server.host, like: "generativelanguage.googleapis.com" }],
      });
      const isFixed = name.includes("a Request");
      const path = isFixed ? GEMINI : GEMINI.replace("gemini-2.5-flash", "flash-lite");
      const limited = isFixed ? {} : { generationConfig: { maxOutputTokens: 50 } };
      expect(asked()).toEqual([{ path: `${path}?alt=json`, ...JSON.parse(GEMINI_BODY), ...limited }]);
    },
  );

  test.each(Object.entries(CHANGED))("%s: the question for usage is put beside what is changed", async (name, send) => {
    const body = JSON.stringify({ ...JSON.parse(BODY), stream: true });
    await switched.metered(
      async () => {
        for (let time = 0; time < 2; time++) await send(`${switched.server.url}${PATH}`, body);
      },
      { ...budgets(LADDER), askUsage: true },
    );
    const options = asked().map(({ stream_options: put }) => put);
    const changed = asked().map(({ model, max_tokens: tokens }) => [model, tokens]);
    expect(changed).toEqual(Array(2).fill(["gpt-4o-mini", 50]));
    // As without a ladder: where the caller says a length, or a Blob is sent, undici is not asked.
    const isAsked = !/undici, (?:text of known length|a Blob)/.test(name);
    expect(options).toEqual(Array(2).fill(isAsked ? { include_usage: true } : undefined));
    expect(switched.calls.map(({ ending }) => ending)).toEqual(["completed", "completed"]);
  });

  test("a coded body of undici and node:http is left as it is", async () => {
    const coded = { "content-encoding": "gzip" };
    switched.server.play({ headers: { "content-type": "application/json" }, steps: ["{}"] });
    await switched.metered(async () => {
      await byUndici(`${switched.server.url}${PATH}`, gzipSync(BODY), coded);
      await byNode(coded, (request, body) => void request.end(gzipSync(body)))(`${switched.server.url}${PATH}`, BODY);
    }, budgets(LADDER));
    expect(switched.calls.map(({ changes }) => changes)).toEqual([undefined, undefined]);
    expect(said.filter((line) => line.includes("are sent as they are"))).toHaveLength(1);
  });

  test("over node:http2 it changes a body, and leaves one of known length and a path as they are", async () => {
    const session = connect(vendor.url);
    const call = (path: string, body: readonly string[], headers: object = {}) =>
      new Promise<Record<string, unknown>>((resolve, reject) => {
        const stream = session.request({ ":method": "POST", ":path": path, ...HEADERS, ...headers });
        let seen: Record<string, unknown> = {};
        stream.on("response", (got) => (seen = { ...got }));
        stream
          .on("error", reject)
          .on("end", () => resolve(seen))
          .resume();
        for (const piece of body.slice(0, -1)) stream.write(piece);
        stream.end(body.at(-1));
      });
    const host = new URL(vendor.url).host;
    const answers = await switched.metered(
      async () => [
        await call(PATH, [BODY]),
        await call(PATH, [BODY]),
        await call(PATH, [BODY.slice(0, 20), BODY.slice(20)]),
        await call(PATH, [BODY], lengthOf(BODY)),
      ],
      { ...budgets(LADDER), hosts: [{ host, like: "api.openai.com" }] },
    );
    session.close();
    const changed = { ...JSON.parse(BODY), model: "gpt-4o-mini", max_tokens: 50 };
    expect(vendor.seen.map(({ body }) => JSON.parse(body))).toEqual([changed, changed, changed, JSON.parse(BODY)]);
    expect(answers.map((headers) => headers["x-spendfuse-downgraded-from"])).toEqual([
      ...Array(3).fill("gpt-4o"),
      undefined,
    ]);
    expect(switched.calls.map(({ changes }) => changes?.model)).toEqual([...Array(3).fill("gpt-4o"), undefined]);
    expect(said.filter((line) => line.includes("are sent as they are"))).toHaveLength(1);
  });

  describe.each(Object.entries(ABORTED_SENDS))("by %s, a call that is aborted while it waits its turn", (_by, send) => {
    test("gives its place back at once, and is never sent", async () => {
      const url = `${switched.server.url}${PATH}`;
      await switched.metered(
        async () => {
          await (await fetch(url, REQUEST)).text();
          const control = new AbortController();
          const aborted = expect(send(url, control.signal)).rejects.toThrow();
          // Some hand their request over in a later turn.
          await new Promise((resolve) => setTimeout(resolve, 50));
          const third = fetch(url, REQUEST);
          control.abort();
          await aborted;
          const answered = await third;
          await answered.text();
          // Had the other kept its place, it would have waited for the turn after the next.
          expect(Number(answered.headers.get("x-spendfuse-throttled-ms"))).toBeLessThan(750);
        },
        budgets({ throttle: { at: 0, every: "500ms" } }),
      );
      expect(switched.server.visits).toHaveLength(2);
    });
  });

  test.each(Object.entries(HTTP2_ABORTS))("by node:http2, one that is given up by %s as well", async (_by, open) => {
    const host = new URL(vendor.url).host;
    const session = connect(vendor.url);
    const byHttp2 = async (): Promise<IncomingHttpHeaders> => {
      const stream = session.request(HTTP2_HEAD).end(BODY);
      const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
      await once(stream.resume(), "close");
      return headers;
    };
    await switched.metered(
      async () => {
        await byHttp2();
        const { stream, abort } = open(session);
        const closed = new Promise((resolve) => stream.on("error", () => {}).on("close", resolve));
        await new Promise((resolve) => setTimeout(resolve, 50));
        const third = byHttp2();
        abort();
        await closed;
        expect(Number((await third)["x-spendfuse-throttled-ms"])).toBeLessThan(750);
      },
      { ...budgets({ throttle: { at: 0, every: "500ms" } }), hosts: [{ host, like: "api.openai.com" }] },
    );
    session.close();
    expect(vendor.seen).toHaveLength(2);
  });

  test("a call by node:http that is given up while it waits its turn is never sent, and takes no turn", async () => {
    const throttle = { at: 0, atOnce: 1 };
    const hanging = `${switched.server.url}/hanging${PATH}`;
    await switched.metered(async () => {
      const first = httpRequest(hanging, { method: "POST", headers: HEADERS });
      first.on("error", () => {});
      const answered = new Promise<void>((resolve) =>
        first.on("response", (message) => void message.on("error", () => {}).once("data", () => resolve())),
      );
      first.end(BODY);
      await answered;
      const given = httpRequest(`${switched.server.url}${PATH}`, { method: "POST", headers: HEADERS });
      const gone = new Promise((resolve) => given.on("error", resolve));
      given.end(BODY);
      const third = byNode({}, (request, body) => void request.end(body))(`${switched.server.url}${PATH}`, BODY);
      given.destroy(new Error("enough"));
      await gone;
      first.destroy();
      expect((await third).text).not.toBe("");
    }, budgets({ throttle }));
    expect(switched.server.visits).toHaveLength(2);
  });
});
