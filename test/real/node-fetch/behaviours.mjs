import http from "node:http";
import { PassThrough, Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { tried } from "./run.mjs";

const PATH = "v1/chat/completions";
const ASK = { model: "gpt-5-mini", messages: [{ role: "user", content: "Say hello, please: wörld." }] };
const WHOLE = JSON.stringify(ASK);
const STREAM = JSON.stringify({ ...ASK, stream: true });
const HEADERS = { "content-type": "application/json", authorization: "Bearer sk-test" };

async function* pieces(text) {
  for (let at = 0; at < text.length; at += 20) yield Buffer.from(text.slice(at, at + 20));
}

/** What node-fetch documents, as steps whose outcome can be compared; each with the endings of its calls. */
export function behaviours(loaded, major, url) {
  const {
    default: fetch,
    Headers,
    Request,
    Response,
    FetchError,
    AbortError,
    Blob: OwnBlob,
    FormData: OwnForm,
  } = loaded;
  const list = [];
  const add = (name, calls, run, from = 2, to = 3) => major >= from && major <= to && list.push({ name, calls, run });
  const at = (name) => `${url}/${name}/${PATH}`;
  const post = (body = WHOLE, more = {}) => ({ method: "POST", headers: HEADERS, body, ...more });
  const ok = ["completed"];
  const failed = ["failed"];
  const canceled = ["canceled"];
  const shown = async (response) => ({
    ...{ status: response.status, statusText: response.statusText, ok: response.ok, url: response.url },
    ...{ redirected: response.redirected, type: response.type, size: response.size },
    headers: [...response.headers].sort(),
    raw: response.headers.raw(),
    kinds: [response instanceof Response, response.body instanceof PassThrough, response.body.constructor.name],
    own: Object.getOwnPropertyNames(response).sort(),
    text: await response.text(),
    used: response.bodyUsed,
  });
  const fetched = async (name, options = post()) => shown(await fetch(at(name), options));

  // Bodies of requests.
  add("body: string", ok, () => fetched("whole"));
  add("body: Buffer", ok, () => fetched("whole", post(Buffer.from(WHOLE))));
  add("body: Uint8Array", ok, () => fetched("whole", post(new TextEncoder().encode(WHOLE))));
  add("body: ArrayBuffer", ok, () => fetched("whole", post(new TextEncoder().encode(WHOLE).buffer)));
  add("body: DataView", ok, () => fetched("whole", post(new DataView(new TextEncoder().encode(WHOLE).buffer))));
  add("body: stream", ok, () => fetched("whole", post(Readable.from(pieces(WHOLE), { objectMode: false }))));
  add("body: Blob", ok, () => fetched("whole", post(new OwnBlob([WHOLE]))), 3);
  add("body: Node's Blob", ok, () => fetched("whole", post(new Blob([WHOLE]))), 3);
  add("body: URLSearchParams", null, () => fetched("whole", { method: "POST", body: new URLSearchParams({ a: "b" }) }));
  add(
    "body: a form",
    null,
    () => {
      const form = new OwnForm();
      form.set("a", "b");
      return tried(async () => (await fetch(at("whole"), { method: "POST", body: form })).status);
    },
    3,
  );
  add(
    "body: a stream that fails",
    [],
    () =>
      tried(() =>
        fetched(
          "whole",
          post(
            Readable.from(
              (async function* () {
                yield Buffer.from(WHOLE.slice(0, 20));
                throw new Error("source failed");
              })(),
              { objectMode: false },
            ),
          ),
        ),
      ),
    3,
  );
  add("body: none", null, () => fetched("whole", { method: "POST" }));
  add("body: with GET", [], () => tried(() => fetched("whole", { method: "GET", body: WHOLE })));
  for (const [coding, encode] of Object.entries({ gzip: gzipSync, br: brotliCompressSync, zstd: zstdCompressSync }))
    add(`body: coded, ${coding}`, ok, () =>
      fetched("whole", { ...post(encode(WHOLE)), headers: { ...HEADERS, "content-encoding": coding } }),
    );

  // Requests and headers.
  add("request: an object", ok, async () => shown(await fetch(new Request(at("whole"), post()))));
  add("request: a copy", [...ok, ...ok], async () => {
    const one = new Request(at("whole"), post());
    const two = one.clone();
    return [await (await fetch(one)).text(), await (await fetch(two)).text()];
  });
  add("request: URL", ok, async () => shown(await fetch(new URL(at("whole")), post())));
  add("request: wrong address", [], () => tried(() => fetch("nowhere")));
  add("request: no such scheme", [], () => tried(() => fetch(`ftp://127.0.0.1/${PATH}`, post())));
  add("request: with a name and a word", [], () => tried(() => fetch(`http://a:b@127.0.0.1:1/${PATH}`, post())), 3);
  add("headers: Headers", ok, () => fetched("whole", { ...post(), headers: new Headers(HEADERS) }));
  add("headers: pairs", ok, () => fetched("whole", { ...post(), headers: Object.entries(HEADERS) }));
  add("headers: several of a name", ok, async () => {
    const headers = new Headers(HEADERS);
    headers.append("x-list", "a");
    headers.append("x-list", "b");
    return fetched("whole", { ...post(), headers });
  });
  add("headers: wrong", [], () => tried(() => fetched("whole", { ...post(), headers: { "x-bad": "a\nb" } })));
  add("referrer", ok, () => fetched("whole", post(WHOLE, { referrer: `${url}/page?a=1#b` })), 3);
  add("referrer: none", ok, () => fetched("whole", post(WHOLE, { referrer: "" })), 3);
  add(
    "referrer: policy",
    ok,
    () => fetched("whole", post(WHOLE, { referrer: `${url}/page`, referrerPolicy: "origin" })),
    3,
  );
  add("host header", ok, () => fetched("whole", { ...post(), headers: { ...HEADERS, connection: "close" } }));

  // Answers.
  for (const how of ["json", "text", "arrayBuffer", "blob", "buffer"])
    add(`response.${how}()`, ok, async () => {
      const value = await (await fetch(at("sized"), post()))[how]();
      if (how === "blob") return [await value.text(), value.type, value.size];
      return value instanceof ArrayBuffer ? Buffer.from(value).toString() : String(value);
    });
  add("response: iterated", ok, async () => {
    let text = "";
    for await (const chunk of (await fetch(at("stream"), post(STREAM))).body) text += chunk;
    return text;
  });
  add("response: piped", ok, async () => {
    const through = new PassThrough();
    (await fetch(at("stream"), post(STREAM))).body.pipe(through);
    return Buffer.concat(await through.toArray()).toString();
  });
  add("response: data events", ok, async () => {
    const { body } = await fetch(at("stream"), post(STREAM));
    let text = "";
    await new Promise((resolve) => body.on("data", (chunk) => (text += chunk)).on("end", resolve));
    return text;
  });
  add("response: cloned", ok, async () => {
    const response = await fetch(at("whole"), post());
    return Promise.all([response.clone().text(), response.text()]);
  });
  add("response: read twice", ok, async () => {
    const response = await fetch(at("whole"), post());
    return [await response.text(), await tried(() => response.text())];
  });
  add("response: slowly", ok, async () => {
    let size = 0;
    for await (const chunk of (await fetch(at("big"), post(STREAM, { highWaterMark: 1024 }))).body) {
      size += chunk.length;
      if (size % 3 === 0) await sleep(1);
    }
    return size;
  });
  for (const name of ["gzip", "gzip-stream", "zstd"])
    add(`response: ${name}`, ok, () => fetched(name, post(name.endsWith("stream") ? STREAM : WHOLE)));
  add(
    "response: gzip, raw",
    ok,
    async () => (await (await fetch(at("gzip"), post(WHOLE, { compress: false }))).arrayBuffer()).byteLength,
  );
  add("response: none at 204", ok, async () => [(await fetch(at("empty"), post())).status]);
  add("response: an error", failed, () => fetched("refused"));
  add("response: no JSON", ok, () => tried(async () => (await fetch(at("stream"), post(STREAM))).json()));
  add("size: a limit", null, () => tried(() => fetched("sized", post(WHOLE, { size: 10 }))));
  add("size: a limit of a stream", null, () => tried(() => fetched("big", post(STREAM, { size: 5000 }))));

  // Redirects.
  add("redirect: followed", ok, () => fetched("moved"));
  add("redirect: manual", [], async () => (await fetch(at("moved"), post(WHOLE, { redirect: "manual" }))).status);
  add("redirect: an error", [], () => tried(() => fetched("moved", post(WHOLE, { redirect: "error" }))));
  add("redirect: a limit", [], () => tried(() => fetched("moved", post(WHOLE, { follow: 0 }))));
  add("redirect: of a stream", [], () =>
    tried(() => fetched("moved", post(Readable.from(pieces(WHOLE), { objectMode: false })))),
  );

  // Endings.
  add("abort: before", [], () => tried(() => fetched("whole", post(WHOLE, { signal: AbortSignal.abort() }))));
  add("abort: at once", null, () => {
    const control = new AbortController();
    const answer = tried(() => fetched("never", post(WHOLE, { signal: control.signal })));
    control.abort();
    return answer;
  });
  add("abort: before the head", canceled, () => {
    const control = new AbortController();
    setTimeout(() => control.abort(), 60);
    return tried(() => fetched("never", post(WHOLE, { signal: control.signal })));
  });
  add("abort: midway", canceled, async () => {
    const control = new AbortController();
    const response = await fetch(at("hanging"), post(STREAM, { signal: control.signal }));
    setTimeout(() => control.abort(), 20);
    return tried(() => response.text());
  });
  add("abort: after the end", ok, async () => {
    const control = new AbortController();
    const text = await (await fetch(at("whole"), post(WHOLE, { signal: control.signal }))).text();
    control.abort();
    return text;
  });
  add("destroyed midway", canceled, async () => {
    const { body } = await fetch(at("hanging"), post(STREAM));
    for await (const chunk of body) return String(chunk).length;
  });
  add("timeout", canceled, () => tried(() => fetched("never", post(WHOLE, { timeout: 80 }))), 2, 2);
  add("cut", failed, () => tried(async () => (await fetch(at("cut"), post(STREAM))).text()));
  add("nobody there", null, () => tried(() => fetch(`http://127.0.0.1:2/${PATH}`, post())));
  add("errors are its own", [], async () => {
    const error = await fetch("http://127.0.0.1:2/elsewhere").catch((one) => one);
    const aborted = await fetch(url, { signal: AbortSignal.abort() }).catch((one) => one);
    return [error instanceof FetchError, error.type, error.errno, aborted instanceof AbortError, aborted.type];
  });

  // Agents.
  add("agent", ok, async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const answer = await fetched("whole", post(WHOLE, { agent }));
    agent.destroy();
    return answer;
  });
  add("agent: one for each address", ok, () => {
    const asked = [];
    const agent = (address) => {
      asked.push(address.pathname);
      return new http.Agent();
    };
    return fetched("whole", post(WHOLE, { agent })).then((answer) => [asked, answer]);
  });
  add("agent: two calls on one socket", [...ok, ...ok], async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const texts = await Promise.all(
      ["whole", "sized"].map(async (name) => (await fetch(at(name), post(WHOLE, { agent }))).text()),
    );
    agent.destroy();
    return texts;
  });
  add("elsewhere", [], async () => (await fetch(`${url}/elsewhere`)).status);
  return list;
}
