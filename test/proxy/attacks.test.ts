import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { findChromium, openBrowser } from "../servers/chromium.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { type Stage, startStage } from "./stage.ts";

let vendor: ModelServer;
let stage: Stage | undefined;
beforeAll(async () => {
  vendor = await startModelServer(() => []);
});
afterAll(() => vendor.close());
afterEach(async () => {
  await stage?.close();
  stage = undefined;
});

async function open(...args: Parameters<typeof startStage> extends [string, ...infer More] ? More : never) {
  vendor.play({ steps: ["{}"] });
  stage = await startStage(vendor.url, ...args);
  return stage;
}

/** Sends bytes and returns all that is answered until the connection closes. */
function exchange(url: string, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.on("error", () => {});
  // A half-closed connection would be given up.
  socket.write(bytes);
  return new Promise((resolve) => socket.on("close", () => resolve(text)));
}

const statusOf = (answer: string): number => Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1] ?? 0);
const TAIL = "connection: close\r\n\r\n";

describe("a request target", () => {
  test.each([
    ["of a proxy's form", "GET http://evil.example/openai/v1/models"],
    ["of a proxy's form, to us", "GET http://127.0.0.1/openai/v1/models"],
    ["of a tunnel", "CONNECT evil.example:443"],
    ["with two slashes", "GET //evil.example/openai/v1/models"],
    ["with a backslash", "GET /openai/v1\\..\\..\\admin"],
    ["with a name and an at sign", "GET /anthropic@evil.example/v1/models"],
    ["with a port", "GET /anthropic:80/v1/models"],
    ["with a longer name", "GET /anthropic.evil.example/v1/models"],
    ["with dots", "GET /openai/v1/../../admin"],
    ["with encoded dots", "GET /openai/v1/%2e%2E/admin"],
    ["with dots at its end", "GET /openai/v1/.."],
    ["with dots between encoded slashes", "GET /openai/v1/x%2f..%2F..%2fadmin"],
    ["with dots before an encoded backslash", "GET /openai/v1/..%5cadmin"],
    ["with a fragment", "GET /openai/v1/models#/../x"],
    ["with dots for an agent", "GET /agent/../openai/v1/models"],
    ["of an encoded API", "GET /%6fpenai/v1/models"],
    ["of everything", "OPTIONS *"],
  ])("%s reaches nobody", async (_name, line) => {
    const { proxy } = await open();
    const answer = await exchange(proxy.url, `${line} HTTP/1.1\r\nhost: 127.0.0.1\r\n${TAIL}`);
    expect([0, 400, 404]).toContain(statusOf(answer));
    expect(vendor.visits).toEqual([]);
  });

  test.each([
    ["two slashes within", "/anthropic//evil.example/v1/models", "//evil.example/v1/models"],
    ["an at sign in the query", "/anthropic?@evil.example/", "/?@evil.example/"],
    ["an encoded slash, as in names of models", "/openai/v1/models/org%2Fmodel", "/v1/models/org%2Fmodel"],
    ["dots within a name", "/openai/v1/models/a..b", "/v1/models/a..b"],
    ["dots in the query", "/openai/v1/models?after=/../x", "/v1/models?after=/../x"],
    ["a path outside /v1", "/openai//evil.example/x", "//evil.example/x"],
  ])("with %s stays at the upstream", async (_name, target, path) => {
    const { proxy } = await open();
    await exchange(proxy.url, `GET ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\n${TAIL}`);
    expect(vendor.visits.map(({ path: at, headers }) => [at, headers.host])).toEqual([[path, vendor.host]]);
  });
});

describe("a host or an origin", () => {
  test.each([
    ["none", ""],
    ["of a name that leads here", "host: evil.example\r\n"],
    ["that begins like ours", "host: localhost.evil.example\r\n"],
    ["that holds our address", "host: 127.0.0.1.evil.example\r\n"],
    ["with credentials", "host: 127.0.0.1@evil.example\r\n"],
    ["given twice", "host: 127.0.0.1\r\nhost: evil.example\r\n"],
    ["with a page of nowhere", "host: 127.0.0.1\r\norigin: null\r\n"],
    ["with a page of the same address", "host: 127.0.0.1\r\norigin: http://127.0.0.1\r\n"],
    ["with an empty origin", "host: 127.0.0.1\r\norigin:\r\n"],
    ["with a form's request", "host: 127.0.0.1\r\nsec-fetch-site: cross-site\r\nsec-fetch-mode: no-cors\r\n"],
    ["with another page of this site", "host: 127.0.0.1\r\nsec-fetch-site: same-site\r\n"],
    ["with a page of ours, which we have not", "host: 127.0.0.1\r\nsec-fetch-site: same-origin\r\n"],
  ])("%s is refused", async (_name, head) => {
    const { proxy } = await open();
    for (const method of ["GET", "POST", "OPTIONS", "HEAD"]) {
      const answer = await exchange(proxy.url, `${method} /openai/v1/models HTTP/1.1\r\n${head}${TAIL}`);
      expect([400, 403]).toContain(statusOf(answer));
      expect(answer).not.toMatch(/access-control/i);
    }
    expect(vendor.visits).toEqual([]);
  });
});

test("a second request is not carried inside a body", async () => {
  const { proxy } = await open();
  const inner = "GET /openai/v1/models HTTP/1.1\r\nhost: evil.example\r\n\r\n";
  const head = "POST /openai/v1/x HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n";
  await exchange(proxy.url, `${head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${inner}`);
  await exchange(proxy.url, `${head}transfer-encoding: gzip, chunked\r\n${TAIL}0\r\n\r\n${inner}`);
  expect(vendor.visits.filter(({ method }) => method === "GET")).toEqual([]);
});

test("no key is in what it says, nor in its errors", async () => {
  const { proxy, said } = await open(
    {},
    { upstreams: { gemini: "http://me:hidden@127.0.0.1:9" }, token: "right-token" },
  );
  const key = "authorization: Bearer sk-hidden\r\nx-goog-api-key: hidden\r\nx-spendfuse-token: ";
  const send = (target: string, token: string): Promise<string> =>
    exchange(proxy.url, `GET ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\n${key}${token}\r\n${TAIL}`);
  const answers = await Promise.all([
    send("/gemini/v1beta/models?key=hidden", "right-token"),
    send("/other?key=hidden", "right-token"),
    send("/openai/v1/models?key=hidden", "hidden"),
    send("/token/hidden/openai/v1/models", ""),
  ]);
  expect(answers.map(statusOf)).toEqual([502, 404, 401, 401]);
  expect([...answers, ...said].join("\n")).not.toMatch(/hidden|right-token/);
});

const chromium = findChromium();

test.skipIf(chromium === undefined)("a page in a browser cannot use it", { timeout: 60_000 }, async () => {
  const { proxy } = await open();
  const site = createServer((_request, response) => {
    response.setHeader("content-type", "text/html").end("<!doctype html><title>evil</title>");
  });
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  const browser = await openBrowser(chromium as string, ["--host-resolver-rules=MAP evil.example 127.0.0.1"]);
  try {
    const page = await browser.newPage();
    // The page's own name leads to the proxy: DNS rebinding.
    const rebound = proxy.url.replace("127.0.0.1", "evil.example");
    expect((await page.goto(`${rebound}/openai/v1/models`))?.status()).toBe(403);
    expect(await page.evaluate(() => fetch("/openai/v1/models").then(({ status }) => status))).toBe(403);
    for (const host of ["127.0.0.1", "evil.example", "localhost"]) {
      await page.goto(`http://${host}:${(site.address() as AddressInfo).port}/`);
      expect(await page.evaluate(tryAll, proxy.url)).toEqual([]);
    }
    expect(vendor.visits).toEqual([]);
  } finally {
    await browser.close();
    site.closeAllConnections();
    site.close();
  }
});

/** In the page: everything by which a page can send. Returns what an answer could be read of. */
async function tryAll(proxy: string): Promise<string[]> {
  const url = `${proxy}/openai/v1/chat/completions`;
  const body = '{"model":"gpt-5-mini","messages":[]}';
  const read: string[] = [];
  const attempts: Record<string, () => Promise<unknown>> = {
    cors: () => fetch(url, { method: "POST", body, headers: { "content-type": "application/json" } }),
    simple: () => fetch(url, { method: "POST", body }),
    get: () => fetch(`${proxy}/openai/v1/models`),
    socket: () =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`${proxy.replace("http", "ws")}/openai/v1/responses`);
        socket.onopen = resolve;
        socket.onerror = reject;
      }),
    events: () =>
      new Promise((resolve, reject) => {
        const source = new EventSource(`${proxy}/openai/v1/models`);
        source.onopen = resolve;
        source.onerror = reject;
      }),
    script: () =>
      new Promise((resolve, reject) => {
        const script = document.createElement("script");
        Object.assign(script, { src: `${proxy}/openai/v1/models`, onload: resolve, onerror: reject });
        document.head.append(script);
      }),
  };
  for (const [name, attempt] of Object.entries(attempts))
    await attempt().then(
      () => read.push(name),
      () => {},
    );
  // What sends without being able to read.
  await fetch(url, { method: "POST", body, mode: "no-cors" }).catch(() => {});
  navigator.sendBeacon(url, body);
  const frame = document.createElement("iframe");
  frame.name = "frame";
  const form = document.createElement("form");
  Object.assign(form, { action: url, method: "POST", enctype: "text/plain", target: "frame" });
  document.body.append(frame, form);
  form.submit();
  await new Promise((resolve) => setTimeout(resolve, 500));
  return read;
}
