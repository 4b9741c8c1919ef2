import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "vitest";
import { createCarrier } from "../../src/proxy/carrier.ts";
import { readUserProxy } from "../../src/proxy/user-proxy.ts";
import { LOCALHOST } from "../fixtures/localhost.ts";

describe("the user's HTTP proxy", () => {
  test.each([
    [{}, "https://a.example/", undefined],
    [{ HTTPS_PROXY: "http://p:1" }, "https://a.example/", "http://p:1/"],
    [{ HTTPS_PROXY: "http://p:1" }, "http://a.example/", undefined],
    [{ HTTP_PROXY: "p:1" }, "http://a.example/", "http://p:1/"],
    [{ https_proxy: "http://small:1", HTTPS_PROXY: "http://p:1" }, "https://a.example/", "http://small:1/"],
    [{ ALL_PROXY: "http://p:1" }, "https://a.example/", "http://p:1/"],
    [{ ALL_PROXY: "socks5://p:1" }, "https://a.example/", undefined],
    [{ HTTPS_PROXY: "http://p:1", NO_PROXY: "a.example" }, "https://a.example/", undefined],
    [{ HTTPS_PROXY: "http://p:1", NO_PROXY: ".a.example, b" }, "https://x.a.example/", undefined],
    [{ HTTPS_PROXY: "http://p:1", NO_PROXY: "a.example" }, "https://notaa.example/", "http://p:1/"],
    [{ HTTPS_PROXY: "http://p:1", NO_PROXY: "a.example:8443" }, "https://a.example/", "http://p:1/"],
    [{ HTTPS_PROXY: "http://p:1", NO_PROXY: "*" }, "https://a.example/", undefined],
  ])("%j for %s", (env, url, expected) => {
    expect(readUserProxy(env)(new URL(url))?.href).toBe(expected);
  });
});

const closing: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function listen(
  server: ReturnType<typeof createServer> | ReturnType<typeof createSecureServer>,
): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A proxy that notes what it was asked for. */
async function startUserProxy(seen: string[]): Promise<string> {
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"]}`);
    response.end("by the proxy");
  });
  server.on("connect", ({ url = "", headers }, socket) => {
    seen.push(`CONNECT ${headers["proxy-authorization"]}`);
    const upstream = connect(Number(url.split(":").at(-1)), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    closing.push(() => upstream.destroy());
  });
  return `http://me:pass%20word@127.0.0.1:${await listen(server)}`;
}

/** The text of an answer, whose body is a Node stream. */
function read({ body }: Response): Promise<string> {
  return text(body as never);
}

const CREDENTIALS = `Basic ${Buffer.from("me:pass word").toString("base64")}`;

test("a request over HTTP goes to it whole", async () => {
  const seen: string[] = [];
  const { fetch, close } = createCarrier(readUserProxy({ HTTP_PROXY: await startUserProxy(seen) }));
  closing.push(close);
  expect(await read(await fetch("http://a.example/v1/x?y=1"))).toBe("by the proxy");
  expect(seen).toEqual([`GET http://a.example/v1/x?y=1 ${CREDENTIALS}`]);
});

test("a request over HTTPS goes through a tunnel", async () => {
  const seen: string[] = [];
  const vendor = createSecureServer(LOCALHOST, (request, response) =>
    response.end(`hello ${request.headers["proxy-authorization"]}`),
  );
  const port = await listen(vendor);
  const { fetch, close } = createCarrier(readUserProxy({ HTTPS_PROXY: await startUserProxy(seen) }));
  closing.push(close);
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
  try {
    expect(await read(await fetch(`https://127.0.0.1:${port}/`))).toBe("hello undefined");
    expect(await read(await fetch(`https://127.0.0.1:${port}/`))).toBe("hello undefined");
  } finally {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
  }
  // The second went through the tunnel that was kept open.
  expect(seen).toEqual([`CONNECT ${CREDENTIALS}`]);
});
