import { Readable, Writable } from "node:stream";
import { pipeline as pipe } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";

const PATH = "v1/chat/completions";
const ASK = { model: "gpt-5-mini", messages: [{ role: "user", content: "Say hello, please: wörld." }] };
export const WHOLE = JSON.stringify(ASK);
export const STREAM = JSON.stringify({ ...ASK, stream: true });
const HEADERS = { "content-type": "application/json", authorization: "Bearer sk-test" };

const textOf = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
};
const failure = (error) =>
  error instanceof Error
    ? { name: error.name, code: error.code, message: error.message, cause: error.cause?.code }
    : error;
const tried = async (run) => {
  try {
    return await run();
  } catch (error) {
    return { failed: failure(error) };
  }
};
const collecting = (chunks, options) =>
  new Writable({
    ...options,
    write(chunk, _, done) {
      chunks.push(chunk);
      setImmediate(done);
    },
  });
const textIn = (chunks) => Buffer.concat(chunks).toString();
async function* pieces(text) {
  for (let at = 0; at < text.length; at += 20) yield Buffer.from(text.slice(at, at + 20));
}

/** Slower than a connection is made: whether a body's end is known when it is sent does not depend on that then. */
async function* slowPieces(text) {
  for await (const piece of pieces(text)) {
    yield piece;
    await sleep(8);
  }
}

/** A reader in the old interface, which keeps the order of what it is given. `slow`: it makes the sender wait. */
function oldHandler(slow, done) {
  const seen = [];
  const chunks = [];
  let go;
  return {
    onConnect: (abort) => seen.push(`connect ${typeof abort}`),
    onHeaders(status, headers, resume, text) {
      go = resume;
      seen.push(`headers ${status} ${text} ${headers.map(String).join("|")}`);
      return true;
    },
    onData(chunk) {
      chunks.push(chunk);
      if (!slow) return true;
      setTimeout(go, 1);
      return false;
    },
    onComplete: (trailers) => done({ seen, text: textIn(chunks), trailers: (trailers ?? []).map(String) }),
    onError: (error) => done({ seen, text: textIn(chunks), failed: failure(error) }),
  };
}

/** The same in the new interface. */
function newHandler(slow, done) {
  const seen = [];
  const chunks = [];
  return {
    onRequestStart: (controller) => seen.push(`start ${typeof controller.abort} ${controller.aborted}`),
    onResponseStart(controller, status, headers, text) {
      seen.push(`response ${status} ${text} ${JSON.stringify(headers)} ${controller.paused}`);
    },
    onResponseData(controller, chunk) {
      chunks.push(chunk);
      if (!slow) return;
      controller.pause();
      setTimeout(() => controller.resume(), 1);
    },
    onResponseEnd: (_, trailers) => done({ seen, text: textIn(chunks), trailers }),
    onResponseError: (_, error) => done({ seen, text: textIn(chunks), failed: failure(error) }),
  };
}

/**
 * What undici documents, as steps whose outcome can be compared; each with the endings of the calls that are metered in it.
 */
export function behaviours(undici, major, { url, proxy }) {
  const at = (name) => `${url}/${name}/${PATH}`;
  const post = (body = WHOLE, more = {}) => ({ method: "POST", headers: HEADERS, body, ...more });
  const { request, stream, pipeline, fetch, Client, Pool, Agent, MockAgent } = undici;
  const whole = async (options, name = "whole", of = request) => {
    const { statusCode, headers, trailers, body, opaque, statusText } = await of(at(name), options);
    return { statusCode, statusText, headers, opaque, text: await body.text(), trailers };
  };
  const withAgent = async (agent, run) => {
    try {
      return await run(agent);
    } finally {
      await agent.close().catch(() => agent.destroy());
    }
  };
  const ok = ["completed"];
  const canceled = ["canceled"];
  const failed = ["failed"];
  const list = [];
  const add = (name, calls, run, from = 5, to = 99) => major >= from && major <= to && list.push({ name, calls, run });

  // Bodies of requests.
  add("request: string", ok, () => whole(post()));
  add("request: Buffer", ok, () => whole(post(Buffer.from(WHOLE))));
  add("request: Uint8Array", ok, () => whole(post(new TextEncoder().encode(WHOLE))));
  add("request: Blob", ok, () => whole(post(new Blob([WHOLE]))));
  add("request: Node stream", ok, () => whole(post(Readable.from([Buffer.from(WHOLE)], { objectMode: false }))));
  add("request: Node stream in pieces", ok, () => whole(post(Readable.from(pieces(WHOLE), { objectMode: false }))));
  add("request: async iterable", ok, () => whole(post(pieces(WHOLE))));
  add("request: iterable", ok, () => whole(post([Buffer.from(WHOLE.slice(0, 9)), Buffer.from(WHOLE.slice(9))])));
  add("request: ReadableStream", ok, () => whole(post(new Blob([WHOLE]).stream())));
  add("request: iterable of known length", ok, () =>
    whole({ ...post(pieces(ASCII)), headers: { ...HEADERS, "content-length": String(ASCII.length) } }),
  );
  add("request: null body", ok, () => whole(post(null)));
  add("request: form data", null, () => {
    const form = new undici.FormData();
    form.append("a", "b");
    return tried(async () => (await request(at("whole"), { method: "POST", body: form })).statusCode);
  });
  add("request: a body that is none", failed, () => tried(() => request(at("whole"), post(7))));
  add("request: wrong length", failed, () =>
    tried(() => request(at("whole"), { ...post(), headers: { ...HEADERS, "content-length": "5" } })),
  );
  add("request: a stream that fails", failed, () => {
    const body = Readable.from(
      (async function* () {
        yield Buffer.from(WHOLE.slice(0, 20));
        throw new Error("source failed");
      })(),
      { objectMode: false },
    );
    return tried(() => request(at("whole"), post(body)));
  });
  add("request: an iterable that fails", failed, () => {
    const body = (async function* () {
      yield Buffer.from(WHOLE.slice(0, 20));
      throw new Error("source failed");
    })();
    return tried(() => request(at("whole"), post(body)));
  });
  add("request: listeners on a stream", ok, async () => {
    const body = Readable.from([Buffer.from(WHOLE)], { objectMode: false });
    const answer = await whole(post(body));
    const names = body.eventNames().map(String).sort();
    return { text: answer.text, names, own: Object.hasOwn(body, "emit"), destroyed: body.destroyed };
  });

  // Headers.
  const flat = Object.entries(HEADERS).flat();
  add("headers: in turn", ok, () => whole({ ...post(), headers: flat }));
  add("headers: pairs", ok, () => whole({ ...post(), headers: new Map(Object.entries(HEADERS)) }), 6);
  add("headers: a generator", ok, () => whole({ ...post(), headers: Object.entries(HEADERS).values() }), 6);
  add("headers: lists", ok, () => whole({ ...post(), headers: { ...HEADERS, "x-list": ["a", "b"] } }));
  add("headers: wrong", failed, () => tried(() => request(at("whole"), post(WHOLE, { headers: 3 }))));
  add("headers: bad value", failed, () =>
    tried(() => request(at("whole"), post(WHOLE, { headers: { ...HEADERS, "x-bad": "a\nb" } }))),
  );
  add("headers of the answer: raw", ok, () => whole(post(WHOLE, { responseHeaders: "raw" })));

  // Answers.
  for (const how of ["json", "text", "arrayBuffer", "blob"]) {
    add(`body.${how}()`, ok, async () => {
      const { body } = await request(at("sized"), post());
      const value = await body[how]();
      if (how === "arrayBuffer") return Buffer.from(value).toString();
      return how === "blob" ? [await value.text(), value.type] : value;
    });
  }
  add(
    "body.bytes()",
    ok,
    async () => Buffer.from(await (await request(at("whole"), post())).body.bytes()).toString(),
    7,
  );
  add("body: iterated", ok, async () => textOf((await request(at("stream"), post(STREAM))).body));
  add("body: web stream", ok, async () => textOf((await request(at("stream"), post(STREAM))).body.body));
  add("body: dump", ok, async () => {
    await (await request(at("whole"), post())).body.dump();
    return "dumped";
  });
  add("body: read twice", ok, async () => {
    const { body } = await request(at("whole"), post());
    return [(await body.text()).length, await tried(() => body.text()), body.bodyUsed];
  });
  add("body: paused and resumed", ok, async () => {
    const { body } = await request(at("big"), post(STREAM, { highWaterMark: 1024 }));
    let size = 0;
    for await (const chunk of body) {
      size += chunk.length;
      if (size % 3 === 0) await sleep(1);
    }
    return [size, body.readableHighWaterMark];
  });
  add("body: destroyed midway", canceled, async () => {
    const { body } = await request(at("hanging"), post(STREAM));
    for await (const chunk of body) return String(chunk).length;
  });
  add("body: destroyed with an error", canceled, async () => {
    const { body } = await request(at("hanging"), post(STREAM));
    const error = new Promise((resolve) => body.on("error", resolve));
    body.destroy(new Error("enough"));
    return failure(await error);
  });
  add("body: gzip, raw", ok, async () => {
    const { body, headers } = await request(at("gzip"), post());
    return [Buffer.from(await body.arrayBuffer()).toString("hex"), headers["content-encoding"]];
  });
  add("body: gzip stream, raw", ok, async () =>
    Buffer.from(await (await request(at("gzip-stream"), post(STREAM))).body.arrayBuffer()).toString("hex"),
  );
  add("body: trailers", ok, () => whole(post(), "trailers"));
  add("body: socket cut", failed, () => tried(async () => textOf((await request(at("cut"), post(STREAM))).body)));
  add("answer: none at 204", ok, () => whole(post(), "empty"));
  add("answer: an error", failed, () => whole(post(), "refused"));
  add("answer: throwOnError", failed, () => tried(() => whole(post(WHOLE, { throwOnError: true }), "refused")), 5, 6);
  add("answer: a redirect that is not followed", [], () => whole(post(), "moved"));
  add("onInfo", ok, async () => {
    const infos = [];
    const answer = await whole(post(WHOLE, { onInfo: (info) => infos.push(info) }), "info");
    return { infos, text: answer.text };
  });
  add("opaque", ok, () => whole(post(WHOLE, { opaque: { a: 1 } })));
  add("callback", ok, () =>
    withAgent(
      new Client(url),
      (client) =>
        new Promise((resolve) =>
          client.request(
            { path: `/whole/${PATH}`, ...post(WHOLE, { opaque: "o" }) },
            (error, { statusCode, body, opaque }) =>
              body.text().then((text) => resolve([error, statusCode, opaque, text])),
          ),
        ),
    ),
  );

  // Endings that the caller or time makes.
  add("signal: aborted before", null, () =>
    tried(() => request(at("whole"), post(WHOLE, { signal: AbortSignal.abort() }))),
  );
  add("signal: before the head", canceled, async () => {
    const control = new AbortController();
    setTimeout(() => control.abort(), 40);
    return tried(() => request(at("never"), post(WHOLE, { signal: control.signal })));
  });
  add("signal: with a reason", canceled, async () => {
    const control = new AbortController();
    setTimeout(() => control.abort(new Error("mine")), 40);
    return tried(() => request(at("never"), post(WHOLE, { signal: control.signal })));
  });
  add("signal: at once", null, async () => {
    const control = new AbortController();
    const answer = tried(() => request(at("never"), post(WHOLE, { signal: control.signal })));
    control.abort();
    return answer;
  });
  add("signal: midway", canceled, async () => {
    const control = new AbortController();
    const { body } = await request(at("hanging"), post(STREAM, { signal: control.signal }));
    setTimeout(() => control.abort(), 10);
    return tried(() => textOf(body));
  });
  add("headersTimeout", failed, () =>
    withAgent(new Agent({ headersTimeout: 300 }), (dispatcher) =>
      tried(() => request(at("never"), post(WHOLE, { dispatcher }))),
    ),
  );
  add("bodyTimeout", failed, () =>
    tried(async () => textOf((await request(at("hanging"), post(STREAM, { bodyTimeout: 300 }))).body)),
  );
  add("nobody there", failed, () => tried(() => request(`http://127.0.0.1:2/${PATH}`, post())));

  // stream() and pipeline().
  add("stream", ok, async () => {
    const chunks = [];
    const seen = [];
    const done = await stream(at("stream"), post(STREAM, { opaque: chunks }), ({ statusCode, headers, opaque }) => {
      seen.push(statusCode, headers);
      return collecting(opaque, { highWaterMark: 10 });
    });
    return { seen, text: textIn(chunks), trailers: done.trailers, same: done.opaque === chunks };
  });
  add("stream: the factory throws", null, () =>
    tried(() =>
      stream(at("stream"), post(STREAM), () => {
        throw new Error("no writer");
      }),
    ),
  );
  add("stream: the writer is destroyed", canceled, () =>
    tried(() =>
      stream(at("hanging"), post(STREAM), () => {
        const writer = collecting([]);
        setTimeout(() => writer.destroy(), 20);
        return writer;
      }),
    ),
  );
  add("pipeline", ok, async () => {
    const chunks = [];
    const seen = [];
    await pipe(
      Readable.from(slowPieces(STREAM)),
      pipeline(at("stream"), { method: "POST", headers: HEADERS }, ({ statusCode, body }) => {
        seen.push(statusCode);
        return body;
      }),
      collecting(chunks),
    );
    return { seen, text: textIn(chunks) };
  });

  // Dispatchers.
  add("Client: order, with pipelining", [...ok, ...ok, ...ok], () =>
    withAgent(new Client(url, { pipelining: 3 }), (client) =>
      Promise.all(
        ["whole", "sized", "stream"].map(async (name) => {
          const { body } = await client.request({ path: `/${name}/${PATH}`, ...post(WHOLE, { idempotent: true }) });
          return body.text();
        }),
      ),
    ),
  );
  add("Pool: one connection", [...ok, ...ok], () =>
    withAgent(new Pool(url, { connections: 1 }), (pool) =>
      Promise.all(
        ["whole", "stream"].map(async (name) =>
          (await pool.request({ path: `/${name}/${PATH}`, ...post() })).body.text(),
        ),
      ),
    ),
  );
  add("Pool: closed", null, async () => {
    const pool = new Pool(url);
    await pool.close();
    return tried(() => pool.request({ path: `/whole/${PATH}`, ...post() }));
  });
  add("Pool: destroyed midway", failed, async () => {
    const pool = new Pool(url);
    const { body } = await pool.request({ path: `/hanging/${PATH}`, ...post(STREAM) });
    const answer = tried(() => textOf(body));
    await pool.destroy();
    return answer;
  });
  add("Agent by option", ok, () => withAgent(new Agent(), (dispatcher) => whole(post(WHOLE, { dispatcher }))));
  add("BalancedPool", ok, () =>
    withAgent(new undici.BalancedPool([url]), async (pool) =>
      (await pool.request({ path: `/whole/${PATH}`, ...post() })).body.text(),
    ),
  );
  add("setGlobalDispatcher", ok, async () => {
    const before = undici.getGlobalDispatcher();
    const agent = new Agent();
    undici.setGlobalDispatcher(agent);
    try {
      return [await whole(post()), undici.getGlobalDispatcher() === agent];
    } finally {
      undici.setGlobalDispatcher(before);
      await agent.close();
    }
  });
  add(
    "redirects: an option",
    ok,
    () => withAgent(new Agent(), (dispatcher) => whole(post(WHOLE, { dispatcher, maxRedirections: 2 }), "moved")),
    5,
    6,
  );
  add(
    "redirects: an interceptor",
    ok,
    () => {
      const composed = () => new Agent().compose(undici.interceptors.redirect({ maxRedirections: 2 }));
      return withAgent(composed(), (dispatcher) => whole(post(WHOLE, { dispatcher }), "moved"));
    },
    7,
  );
  add(
    "compose: a header of the user's",
    ok,
    () => {
      const adding = (dispatch) => (options, handler) =>
        dispatch({ ...options, headers: { ...options.headers, "x-mine": "1" } }, handler);
      return withAgent(new Agent().compose(adding), (dispatcher) => whole(post(WHOLE, { dispatcher })));
    },
    6,
  );
  const retries = { minTimeout: 1, maxTimeout: 2, maxRetries: 3, methods: ["POST"] };
  add(
    "RetryAgent",
    [...failed, ...failed, ...ok],
    () =>
      withAgent(new undici.RetryAgent(new Agent(), retries), (dispatcher) =>
        whole(post(WHOLE, { dispatcher }), "flaky"),
      ),
    6,
  );
  add("ProxyAgent", ok, () =>
    withAgent(new undici.ProxyAgent(proxy), (dispatcher) => whole(post(WHOLE, { dispatcher }))),
  );
  add(
    "ProxyAgent without a tunnel",
    ok,
    () =>
      withAgent(new undici.ProxyAgent({ uri: proxy, proxyTunnel: false }), (dispatcher) =>
        whole(post(WHOLE, { dispatcher })),
      ),
    7,
  );
  add(
    "EnvHttpProxyAgent",
    ok,
    () =>
      withAgent(new undici.EnvHttpProxyAgent({ httpProxy: proxy }), (dispatcher) => whole(post(WHOLE, { dispatcher }))),
    6,
  );
  add(
    "dispatch: old interface",
    ok,
    () =>
      withAgent(
        new Client(url),
        (client) =>
          new Promise((done) => client.dispatch({ path: `/whole/${PATH}`, ...post() }, oldHandler(false, done))),
      ),
    5,
    7,
  );
  add(
    "dispatch: old interface, slow",
    ok,
    () =>
      withAgent(
        new Client(url),
        (client) =>
          new Promise((done) => client.dispatch({ path: `/stream/${PATH}`, ...post(STREAM) }, oldHandler(true, done))),
      ),
    5,
    7,
  );
  add(
    "dispatch: new interface",
    ok,
    () =>
      withAgent(
        new Client(url),
        (client) =>
          new Promise((done) => client.dispatch({ path: `/whole/${PATH}`, ...post() }, newHandler(false, done))),
      ),
    7,
  );
  add(
    "dispatch: new interface, slow",
    ok,
    () =>
      withAgent(
        new Client(url),
        (client) =>
          new Promise((done) => client.dispatch({ path: `/stream/${PATH}`, ...post(STREAM) }, newHandler(true, done))),
      ),
    7,
  );
  add("dispatch: no handler", [], () => tried(() => new Client(url).dispatch({ path: "/", method: "GET" })));
  add("dispatch: what it looks like", [], () => {
    const found = [];
    for (let on = Client.prototype; on; on = Object.getPrototypeOf(on)) {
      const own = Object.getOwnPropertyDescriptor(on, "dispatch");
      if (own)
        found.push([
          own.writable,
          own.enumerable,
          own.configurable,
          own.value.name,
          own.value.length,
          Object.getOwnPropertyNames(own.value).sort(),
        ]);
    }
    return found;
  });

  // Mocks: what the app's own tests answer themselves.
  const mocked = async (prepare, run) => {
    const mock = new MockAgent();
    mock.disableNetConnect();
    prepare(mock.get("https://api.openai.com").intercept({ path: `/${PATH}`, method: "POST", body: WHOLE }), mock);
    const send = async () => {
      const { statusCode, headers, body, trailers } = await request(
        `https://api.openai.com/${PATH}`,
        post(WHOLE, { dispatcher: mock }),
      );
      return { statusCode, headers, text: await body.text(), trailers };
    };
    try {
      return [await run(send), mock.pendingInterceptors().length];
    } finally {
      await mock.close();
    }
  };
  const ANSWER = {
    id: "a",
    model: "gpt-5-mini",
    usage: { prompt_tokens: 110, completion_tokens: 37, total_tokens: 147 },
  };
  const asJson = { headers: { "content-type": "application/json" }, trailers: { "x-end": "1" } };
  add("MockAgent: reply", ok, () =>
    mocked(
      (on) => on.reply(200, ANSWER, asJson),
      (send) => send(),
    ),
  );
  add("MockAgent: times", [...ok, ...ok, ...failed], () =>
    mocked(
      (on) => on.reply(200, ANSWER, asJson).times(2),
      async (send) => [await send(), await send(), await tried(send)],
    ),
  );
  add("MockAgent: delay", ok, () =>
    mocked(
      (on) => on.reply(200, ANSWER, asJson).delay(20),
      (send) => send(),
    ),
  );
  add("MockAgent: replyWithError", failed, () =>
    mocked(
      (on) => on.replyWithError(new Error("mocked")),
      (send) => tried(send),
    ),
  );

  // The package's own fetch.
  const shown = async (response) => ({
    status: response.status,
    text: await response.text(),
    headers: [...response.headers],
    kind: [response.constructor.name, response.type, response.redirected, response.bodyUsed, response.ok],
    own: Reflect.ownKeys(response).map((key) => String(key)),
    is: response instanceof undici.Response,
  });
  add("fetch: string", ok, async () => shown(await fetch(at("whole"), post())));
  add("fetch: stream", ok, async () => textOf((await fetch(at("stream"), post(STREAM))).body));
  add("fetch: Request", ok, async () => shown(await fetch(new undici.Request(at("whole"), post()))));
  add("fetch: gzip", ok, async () => shown(await fetch(at("gzip"), post())));
  add("fetch: gzip stream", ok, async () => shown(await fetch(at("gzip-stream"), post(STREAM))));
  add("fetch: body stream", ok, async () =>
    shown(await fetch(at("whole"), { ...post(new Blob([WHOLE]).stream()), duplex: "half" })),
  );
  add("fetch: redirect", ok, async () => shown(await fetch(at("moved"), post())));
  add("fetch: clone", ok, async () => {
    const response = await fetch(at("whole"), post());
    return Promise.all([response.clone().text(), response.text()]);
  });
  add("fetch: aborted midway", canceled, async () => {
    const control = new AbortController();
    const response = await fetch(at("hanging"), post(STREAM, { signal: control.signal }));
    setTimeout(() => control.abort(), 10);
    return tried(() => response.text());
  });
  add("fetch: canceled midway", canceled, async () => {
    const reader = (await fetch(at("hanging"), post(STREAM))).body.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return value.length;
  });
  add("fetch: socket cut", failed, () => tried(async () => (await fetch(at("cut"), post(STREAM))).text()));
  add("fetch: nobody there", failed, () => tried(() => fetch(`http://127.0.0.1:2/${PATH}`, post())));
  add("fetch: Node's own, by the package's dispatcher", ok, async () => {
    const before = undici.getGlobalDispatcher();
    const agent = new Agent();
    undici.setGlobalDispatcher(agent);
    try {
      return await (await globalThis.fetch(at("whole"), post())).text();
    } finally {
      undici.setGlobalDispatcher(before);
      await agent.close();
    }
  });

  // What is no model call.
  add("GET elsewhere", [], async () => (await request(`${url}/elsewhere`)).statusCode);
  add("POST elsewhere", [], async () => (await request(`${url}/elsewhere`, { method: "POST", body: "a" })).statusCode);
  add("a body of another API", ok, () => whole(post('{"other":1}')));
  return list;
}

const ASCII = JSON.stringify({ ...ASK, messages: [{ role: "user", content: "Say hello." }] });
