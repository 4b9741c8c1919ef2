import { createHash, randomBytes } from "node:crypto";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { WebSocket as WsSocket } from "ws";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { writeFrame } from "../../src/proxy/sockets/frames.ts";
import { type Client, connect, LIBRARIES } from "../meter/transports/websocket/clients.ts";
import { startWebSocketServer, type WebSocketServer } from "../servers/websocket-server.ts";
import { type Stage, startStage } from "./stage.ts";

const REALTIME = "/openai/v1/realtime?model=gpt-realtime";
const RESPONSES = "/openai/v1/responses";
const LIVE = "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
const TURN = { clientContent: { turns: [{ role: "user", parts: [{ text: "Hi" }] }], turnComplete: true } };
const ASK = { type: "response.create", model: "gpt-5.1", input: "Say hello" };
const CODEX = { originator: "codex_exec", "user-agent": "codex_exec/0.171.0" };
/** The clients of these tests are not metered themselves. */
const UNHOOKED: ConfigFile = { transportsOff: ["websocket"] };

let server: WebSocketServer;
let stage: Stage;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  server = await startWebSocketServer({ perMessageDeflate: { threshold: 0 } });
});
afterEach(async () => {
  for (const close of closing.splice(0)) close();
  expect(stage.runtime.faults.counts()).toEqual(new Map());
  await stage.close();
  await server.close();
});

async function open(config: ConfigFile = {}, url = server.url.replace("ws:", "http:")): Promise<string> {
  stage = await startStage(url, { ...UNHOOKED, ...config });
  return stage.proxy.url.replace("http:", "ws:");
}

async function dial(url: string, headers: Record<string, string> = {}, library = LIBRARIES.ws): Promise<Client> {
  const client = connect(library as () => typeof WebSocket, url, headers);
  await client.until("open");
  return client;
}

const settled = (count: number) => expect.poll(() => stage.settled.length).toBe(count);

describe.for(Object.entries(LIBRARIES))("%s", ([, library]) => {
  test.for([
    [
      "Realtime",
      REALTIME,
      { type: "response.create" },
      "response.done",
      "openai-realtime",
      { input: 132, output: 121 },
    ],
    ["Responses", RESPONSES, ASK, "response.completed", "openai-responses", { input: 100, output: 20, reasoning: 5 }],
    ["Live", LIVE, TURN, "usageMetadata", "gemini-live", { input: 50, output: 30 }],
  ] as const)("a call of %s is metered once, in the scope of its path", async ([, path, ask, last, format, usage]) => {
    const proxy = await open();
    const client = await dial(`${proxy}/agent/voice${path}`, { authorization: "Bearer sk-x", "x-own": "1" }, library);
    if (path === LIVE) client.send({ setup: { model: "models/gemini-live-2.5-flash" } });
    client.send(ask);
    await client.until(last);
    await settled(1);
    expect(stage.settled[0]).toMatchObject({
      ...{ format, usage, ending: "completed", quality: "reported" },
      scope: { agent: "voice", rootAgent: "voice" },
    });
    expect(server.handshakes).toMatchObject([{ headers: { authorization: "Bearer sk-x", "x-own": "1" } }]);
    expect(Object.keys(server.handshakes[0]?.headers ?? {}).filter((name) => name.includes("spendfuse"))).toEqual([]);
    client.socket.close(1000, "done");
    expect(await client.until("close")).toBe("close 1000 done");
    expect(stage.settled).toHaveLength(1);
  });
});

describe("a refusal", () => {
  const TINY = { budgets: [{ name: "tiny", per: "hour", usd: 0.000001 }] };

  test("is one message on which Codex ends its turn, and the connection stays", async () => {
    const client = await dial((await open(TINY)) + RESPONSES, CODEX);
    client.send(ASK);
    const event = JSON.parse((await client.until("message")).slice("message ".length));
    expect(event).toMatchObject({
      type: "response.failed",
      response: {
        status: "failed",
        error: { code: "invalid_prompt", message: expect.stringContaining('budget "tiny"') },
      },
    });
    client.send({ type: "unknown", text: "still here" });
    await expect.poll(() => server.received).toEqual([{ type: "unknown", text: "still here" }]);
    expect(stage.settled).toMatchObject([{ ending: "blocked", scope: { agent: "codex" } }]);
  });

  test("is the vendor's own error for other clients", async () => {
    const client = await dial((await open(TINY)) + RESPONSES);
    client.send(ASK);
    expect(JSON.parse((await client.until("message")).slice("message ".length))).toMatchObject({
      ...{ type: "error", status: 402, error: { message: expect.stringContaining('budget "tiny"') } },
    });
    expect(server.received).toEqual([]);
  });

  test("that a store decides late keeps the order of messages", async () => {
    const client = await dial((await open({ ...TINY, store: "memory" })) + RESPONSES);
    for (const text of ["a", "b"]) client.send({ type: "unknown", text });
    client.send(ASK);
    client.send({ type: "unknown", text: "c" });
    await expect.poll(() => server.received.map(({ text }) => text)).toEqual(["a", "b", "c"]);
  });

  test("in the middle of a response ends it", async () => {
    const budgets = [{ name: "tiny", per: "hour", usd: 0.0001 }];
    const proxy = await open({ budgets });
    const client = await dial(proxy + REALTIME, {});
    client.send({ type: "input_audio_buffer.commit" });
    await client.until("error");
    await expect.poll(() => server.received.some(({ type }) => type === "response.cancel")).toBe(true);
  });
});

test("compressed messages are read, and understood after one was refused", async () => {
  const proxy = await open({ budgets: [{ scope: { agent: "*" }, per: "hour", calls: 2 }] });
  const client = await dial(proxy + RESPONSES);
  expect(client.socket.extensions).toBe("permessage-deflate");
  const input = "the same words again and again, ".repeat(100);
  for (let n = 0; n < 3; n++) client.send({ ...ASK, input: `${n} ${input}` });
  await client.until("402");
  client.send({ type: "unknown", input });
  await expect.poll(() => server.received).toMatchObject([{ input: `0 ${input}` }, { input: `1 ${input}` }, { input }]);
  await settled(3);
  expect(stage.settled.map(({ ending, usage }) => [ending, usage?.input]).sort()).toEqual([
    ["blocked", undefined],
    ["completed", 100],
    ["completed", 100],
  ]);
});

describe("an ending", () => {
  test("by the client reaches the vendor, and what ran is canceled", async () => {
    const client = await dial((await open()) + REALTIME);
    client.send({ type: "response.create", event_id: "open" });
    await client.until("response.output_audio.delta");
    (client.socket as unknown as WsSocket).terminate();
    await settled(1);
    expect(stage.settled).toMatchObject([{ ending: "canceled" }]);
    await expect.poll(() => server.sockets.size).toBe(0);
  });

  test("by the vendor reaches the client, and what ran has failed", async () => {
    server.cuts = true;
    const client = await dial((await open()) + REALTIME);
    client.send({ type: "response.create" });
    expect(await client.until("close")).toBe("close 1006 ");
    await settled(1);
    expect(stage.settled).toMatchObject([{ ending: "failed" }]);
  });

  test("by the proxy ends both", async () => {
    const client = await dial((await open()) + REALTIME);
    await stage.proxy.close();
    await client.until("close 1006");
    await expect.poll(() => server.sockets.size).toBe(0);
  });
});

describe("a handshake", () => {
  /** The status of its answer, from a server that takes no WebSockets and answers with this one. */
  async function statusOf(answered: number, headers: Record<string, string>): Promise<string> {
    const vendor = createHttpServer((_request, response) => response.writeHead(answered).end("no"));
    await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
    closing.push(
      () => vendor.closeAllConnections(),
      () => vendor.close(),
    );
    const proxy = await open({}, `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`);
    return connect(LIBRARIES.ws as never, proxy + RESPONSES, headers).until("error");
  }

  test.each([
    [404, {}, 404],
    [401, CODEX, 401],
    [404, CODEX, 426],
    [405, CODEX, 426],
  ])("answered %i to %j is answered %i", async (answered, headers, expected) => {
    expect(await statusOf(answered, headers as Record<string, string>)).toContain(`response: ${expected}`);
    expect(stage.settled).toEqual([]);
  });

  test.each([
    ["of a web page", RESPONSES, { origin: "https://evil.example" }, 403],
    ["of a page whose name leads here", RESPONSES, { host: "evil.example" }, 403],
    ["to no API", "/other/v1/responses", {}, 404],
    ["to a path that leaves the API", "/openai/v1/../responses", {}, 404],
  ])("%s is refused", async (_name, path, headers, status) => {
    const proxy = await open();
    const answer = await raw(proxy, path, headers as Record<string, string>);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(server.handshakes).toEqual([]);
  });

  test("to a vendor that cannot be reached is answered 502, without its key", async () => {
    const proxy = await open({}, "http://127.0.0.1:9");
    const answer = await raw(proxy, `${RESPONSES}?key=sk-secret`, { authorization: "Bearer sk-secret" });
    expect(answer).toMatch(/^HTTP\/1.1 502 /);
    expect(answer).toContain("cannot reach 127.0.0.1:9");
    expect(answer).not.toContain("secret");
  });

  function raw(proxy: string, path: string, headers: Record<string, string>): Promise<string> {
    const lines = Object.entries({ host: "127.0.0.1", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    const socket = connectTcp(Number(new URL(proxy).port), "127.0.0.1");
    let text = "";
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("")}${HANDSHAKE}`);
    socket.on("data", (bytes) => {
      text += bytes;
    });
    return new Promise((resolve) => socket.on("close", () => resolve(text)));
  }
});

const HANDSHAKE =
  "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

describe("bytes", () => {
  /** A vendor that keeps what it gets after its handshake. */
  async function startBare(): Promise<{ url: string; got: () => Buffer; socket: Promise<Socket> }> {
    const chunks: Buffer[] = [];
    const connected = Promise.withResolvers<Socket>();
    const vendor = createServer((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
        socket.on("data", (bytes) => chunks.push(bytes));
        connected.resolve(socket);
      });
      socket.on("error", () => {});
      closing.push(() => socket.destroy());
    });
    await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
    closing.push(() => vendor.close());
    const url = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`;
    return { url, got: () => Buffer.concat(chunks), socket: connected.promise };
  }

  async function dialBare(proxy: string, path: string): Promise<Socket> {
    const socket = connectTcp(Number(new URL(proxy).port), "127.0.0.1");
    closing.push(() => socket.destroy());
    socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${HANDSHAKE}`);
    await new Promise((resolve) => socket.once("data", resolve));
    return socket;
  }

  test.each([
    ["of a connection to a model", RESPONSES],
    ["of another", "/openai/v1/other"],
  ])("%s are equal both ways, in whatever pieces they come", async (_name, path) => {
    const vendor = await startBare();
    const client = await dialBare(await open({}, vendor.url), path);
    const fragment = (bytes: Buffer, first: number): Buffer => Buffer.concat([Buffer.from([first]), bytes.subarray(1)]);
    const sent = (masked: boolean): Buffer[] => [
      writeFrame(1, Buffer.from('{"type":"x"}'), masked),
      fragment(writeFrame(1, Buffer.from('{"type":'), masked), 0x01),
      writeFrame(9, Buffer.from("ping"), masked),
      fragment(writeFrame(0, Buffer.from('"response.create","model":"gpt-5.1","input":"Hi"}'), masked), 0x80),
      writeFrame(2, randomBytes(70_000), masked),
      writeFrame(8, Buffer.from([3, 232]), masked),
    ];
    const [one, begun, ping, ...more] = sent(true) as [Buffer, Buffer, Buffer, ...Buffer[]];
    const up = Buffer.concat([one, begun, ping, ...more]);
    for (let at = 0; at < up.length; at += 997) client.write(up.subarray(at, at + 997));
    await expect.poll(() => vendor.got().length).toBe(up.length);
    // A ping does not wait for the end of the message that it came within, as a request to a model does.
    const expected = path === RESPONSES ? Buffer.concat([one, ping, begun, ...more]) : up;
    expect(vendor.got().equals(expected)).toBe(true);
    const down = Buffer.concat(sent(false));
    const got: Buffer[] = [];
    client.on("data", (bytes) => got.push(bytes));
    const socket = await vendor.socket;
    for (let at = 0; at < down.length; at += 997) socket.write(down.subarray(at, at + 997));
    await expect.poll(() => Buffer.concat(got).equals(down)).toBe(true);
  });

  test.each([
    ["an unmasked frame", writeFrame(1, Buffer.from("{}"), false), 1002],
    ["a frame that says it has 2 GB", Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 0, 1, 2, 3, 4]), 1009],
    ["a compressed frame that was not agreed on", Buffer.from([0xc1, 0x80, 1, 2, 3, 4]), 1002],
  ])("of %s end the connection", async (_name, bytes, code) => {
    const vendor = await startBare();
    const client = await dialBare(await open({}, vendor.url), RESPONSES);
    const got: Buffer[] = [];
    client.on("data", (chunk) => got.push(chunk));
    client.write(bytes);
    await new Promise((resolve) => client.on("close", resolve));
    expect(Buffer.concat(got).readUInt16BE(2)).toBe(code);
  });

  test("of 20 MB for a slow reader are equal, and are not kept", async () => {
    const vendor = await startBare();
    const client = await dialBare(await open({}, vendor.url), RESPONSES);
    const socket = await vendor.socket;
    client.pause();
    const frame = writeFrame(2, randomBytes(1024 * 1024), false);
    const [expected, hash] = [createHash("sha256"), createHash("sha256")];
    let sent = 0;
    const send = (): void => {
      while (sent < 20) {
        sent += 1;
        expected.update(frame);
        if (!socket.write(frame)) return void socket.once("drain", send);
      }
    };
    send();
    let before = -1;
    while (before !== sent) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(sent).toBeLessThan(20);
    let got = 0;
    await new Promise<void>((resolve) => {
      client.on("data", (bytes) => {
        hash.update(bytes);
        got += bytes.length;
        if (got === 20 * frame.length) resolve();
      });
      client.resume();
    });
    expect(hash.digest("hex")).toBe(expected.digest("hex"));
  });

  test("of 50 connections at once are 50 records", async () => {
    const proxy = await open();
    const clients = await Promise.all(Array.from({ length: 50 }, (_, n) => dial(`${proxy}/agent/a${n}${RESPONSES}`)));
    for (const client of clients) client.send(ASK);
    await Promise.all(clients.map((client) => client.until("response.completed")));
    await settled(50);
    expect(new Set(stage.settled.map(({ scope }) => scope.agent)).size).toBe(50);
  });
});
