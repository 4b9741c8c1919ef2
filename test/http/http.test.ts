import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { readBody } from "../../src/http/body.ts";
import { type Answer, type Exchange, findRoute, type Routes } from "../../src/http/exchange.ts";
import { type HttpServer, type HttpServerOptions, serveHttp } from "../../src/http/server.ts";

let servers: HttpServer[] = [];
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  servers = [];
});

async function serve(route: HttpServerOptions["route"]): Promise<HttpServer> {
  const failed = (error: unknown): Answer => ({ status: 500, body: { why: (error as Error).message } });
  const server = await serveHttp({ name: "a test", port: 0, route, failed });
  servers.push(server);
  return server;
}

/** The status line of what is answered to these bytes. */
async function sendRaw(url: string, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.write(bytes);
  let answered = "";
  socket.on("data", (chunk) => (answered += chunk));
  await once(socket, "close");
  return answered.split("\r\n")[0] ?? "";
}

const ROUTES: Routes = {
  "/circuits": { GET: async ({ query }) => ({ status: 200, body: { all: query.get("all") } }) },
  "/circuits/trip": { POST: async () => ({ status: 200 }) },
};

async function byRoute(exchange: Exchange): Promise<Answer | undefined> {
  const match = findRoute(ROUTES, exchange);
  if (match.type === "route") return match.route(exchange);
  return match.type === "wrong_method"
    ? { status: 405, headers: { allow: match.allow.join() } }
    : { status: 404, body: { path: exchange.path } };
}

describe("a request target", () => {
  test.each([
    ["GET", "/circuits", 200],
    ["GET", "/circuits?all=1", 200],
    ["GET", "/circuits?x=/../y", 200],
    ["POST", "/circuits/trip", 200],
    ["POST", "/circuits", 405],
    ["GET", "//circuits", 404],
    ["GET", "//x/circuits", 404],
    ["GET", "/circuits/", 404],
    ["GET", "/webhooks/../circuits", 404],
    ["GET", "/webhooks/%2e%2E/circuits", 404],
    ["GET", "/webhooks/%2e./circuits", 404],
    ["GET", "/./circuits", 404],
    ["GET", "/circuits/.", 404],
    ["GET", "/circuits/x/..", 404],
    ["GET", "/x\\..\\circuits", 404],
    ["GET", "/circuits#x", 404],
    ["GET", "/%63ircuits", 404],
    ["GET", "/Circuits", 404],
    ["GET", "http://evil/circuits", 404],
    ["GET", "http://127.0.0.1/circuits", 404],
    ["OPTIONS", "*", 404],
    ["GET", "/__proto__", 404],
    ["constructor", "/circuits", 400],
  ])("%s %s is %d", async (method, target, status) => {
    const { url } = await serve(byRoute);
    const head = `${method} ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`;
    expect(await sendRaw(url, head)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  test.each([
    ["/a//b", ""],
    ["/a/..", ""],
    ["/a%2fb", ""],
    ["/a%5Cb", ""],
    ["/a/...", "/a/..."],
    ["/a.b/.well-known", "/a.b/.well-known"],
    ["/a%20b", "/a%20b"],
  ])("%s has the path %j", async (target, path) => {
    let seen: string | undefined;
    const { url } = await serve(async (exchange) => {
      seen = exchange.path;
      return { status: 200 };
    });
    await sendRaw(url, `GET ${target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
    expect(seen).toBe(path);
  });
});

describe("an answer", () => {
  test.each([
    [{ status: 200, body: { a: 1 } }, '{"a":1}', "application/json"],
    [{ status: 200, body: "text", headers: { "content-type": "text/plain" } }, "text", "text/plain"],
    [{ status: 200, body: Buffer.from([0x61]), headers: { "content-type": "text/x" } }, "a", "text/x"],
    [{ status: 204 }, "", null],
  ])("%j", async (answer, text, type) => {
    const { url } = await serve(async () => answer);
    const response = await fetch(url);
    expect(response.status).toBe(answer.status);
    expect(response.headers.get("content-type")).toBe(type);
    expect(await response.text()).toBe(text);
  });

  test("to a route that throws is the server's own, or an end of what was begun", async () => {
    const { url } = await serve(({ path, response }) => {
      if (path === "/begun") response.write("x");
      throw new Error("no luck");
    });
    const failed = await fetch(url);
    expect([failed.status, await failed.json()]).toEqual([500, { why: "no luck" }]);
    await expect(fetch(`${url}/begun`).then((response) => response.text())).rejects.toThrow();
  });
});

describe("a body", () => {
  const LIMITS = { maxBytes: 1_000, maxMs: 150 };
  const reading = () =>
    serve(async ({ request }) => {
      const body = await readBody(request, LIMITS);
      return body.type === "body"
        ? { status: 200, body: { bytes: body.bytes.length } }
        : { status: body.status, body: { why: body.why }, headers: { connection: "close" } };
    });

  test.each([
    ["", 200],
    ["x".repeat(1_000), 200],
    ["x".repeat(1_001), 413],
    // More than a socket holds: the answer is read all the same.
    ["x".repeat(20_000_000), 413],
  ])("is read up to its limit", async (sent, status) => {
    const { url } = await reading();
    const response = await fetch(url, { method: "POST", body: sent });
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual(
      status === 200 ? { bytes: sent.length } : { why: "the body is larger than 1000 bytes" },
    );
  });

  test.each([
    ["content-length: 10\r\n\r\nabc", 408],
    ["transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", 408],
    [`content-length: 99999\r\n\r\n${"x".repeat(2_000)}`, 413],
  ])("that does not end is refused in time", async (rest, status) => {
    const { url } = await reading();
    expect(await sendRaw(url, `POST / HTTP/1.1\r\nhost: a\r\n${rest}`)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  test("rejects when its sender goes away", async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const { url } = await serve(async ({ request }) => {
      const gone = readBody(request, { maxBytes: 10, maxMs: 60_000 }).catch((error: unknown) => error);
      resolve(await gone);
      return undefined;
    });
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc", () => socket.destroy());
    expect(await promise).toMatchObject({ message: expect.stringMatching(/went away|aborted/) });
  });
});

describe("a server", () => {
  test("says which port is taken", async () => {
    const { url } = await serve(async () => undefined);
    const port = Number(new URL(url).port);
    const again = serveHttp({
      name: "the breaker",
      port,
      route: async () => undefined,
      failed: () => ({ status: 500 }),
    });
    await expect(again).rejects.toMatchObject({
      code: "SPENDFUSE_CONFIG",
      message: `the breaker cannot listen on 127.0.0.1:${port}: port ${port} is taken: choose another with --port`,
    });
  });

  test("ends connections that are open when it closes", async () => {
    const { url, close } = await serve(async ({ response }) => {
      response.write("begun");
      return undefined;
    });
    const response = await fetch(url);
    await close();
    await expect(response.text()).rejects.toThrow();
    await expect(fetch(url)).rejects.toThrow();
  });
});
