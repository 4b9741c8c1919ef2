// @serial: its thousands of sockets slow what runs beside it.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type Breaker, type BreakerOptions, startBreaker } from "../../src/breaker/server.ts";
import { openMemory } from "../../src/stores/memory.ts";

const SCALE = Number(process.env.SPENDFUSE_TEST_SCALE ?? "") || 1;
/** Listeners of one address; ten thousand in a long run. */
const CROWD = SCALE >= 10 ? 10_000 : 2_500;
/** Connections without a request; in a long run more than a server takes of one address by default. */
const IDLE = SCALE >= 10 ? 5_100 : 600;

let breaker: Breaker;
const sockets: Socket[] = [];

async function start(options: Partial<BreakerOptions> = {}): Promise<URL> {
  breaker = await startBreaker({ store: openMemory(), port: 0, ...options });
  return new URL(breaker.url);
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await breaker.close();
});

/** Sends one request as text, and returns what comes back at first. */
async function send({ port }: URL, head: string, body = ""): Promise<string> {
  const socket = connect(Number(port), "127.0.0.1");
  sockets.push(socket);
  socket.on("error", () => {});
  socket.end(`${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  const [answer] = (await Promise.race([once(socket, "data"), once(socket, "close")])) as [unknown];
  return Buffer.isBuffer(answer) ? answer.toString() : "closed";
}

const statusOf = (answer: string): number => Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1]);

function webhook(secret: string, host = "127.0.0.1"): readonly [head: string, body: string] {
  const at = Date.now();
  const ids = { monitor: "1", event: "2", transition: "Triggered", cycle: "3" };
  const body = JSON.stringify({ v: 1, ...ids, scope: "agent:a", tags: "", at, org: "9" });
  const head = `POST /webhooks/datadog HTTP/1.1\r\nhost: ${host}\r\nx-spendfuse-secret: ${secret}`;
  return [`${head}\r\ncontent-type: application/json`, body];
}

test(`${CROWD} idle listeners of one address leave room for webhooks`, async () => {
  const url = await start({ webhookSecrets: ["s3cret"] });
  const answers: Record<number, number> = {};
  for (let from = 0; from < CROWD; from += 250) {
    await Promise.all(
      Array.from({ length: 250 }, async () => {
        const socket = connect(Number(url.port), "127.0.0.1");
        sockets.push(socket);
        socket.on("error", () => {});
        socket.write("GET /events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        const [data] = (await Promise.race([once(socket, "data"), once(socket, "close")])) as [unknown];
        const status = Buffer.isBuffer(data) ? statusOf(data.toString()) : 0;
        answers[status] = (answers[status] ?? 0) + 1;
      }),
    );
  }
  expect(answers).toEqual({ 200: 2_000, 429: CROWD - 2_000 });
  for (let i = 0; i < 20; i++) expect(statusOf(await send(url, ...webhook("s3cret")))).toBe(200);
  // Who leaves makes room for another.
  sockets[0]?.destroy();
  const listen = () => send(url, "GET /events HTTP/1.1\r\nhost: 127.0.0.1");
  await expect.poll(async () => statusOf(await listen())).toBe(200);
});

test("connections without a request are closed before one that has a request is refused", async () => {
  const url = await start({ webhookSecrets: ["s3cret"], connectionsPerAddress: IDLE - 100 });
  for (let from = 0; from < IDLE; from += 300) {
    await Promise.all(
      Array.from({ length: 300 }, async () => {
        const socket = connect(Number(url.port), "127.0.0.1");
        sockets.push(socket);
        socket.on("error", () => {});
        await once(socket, "connect");
      }),
    );
  }
  for (let i = 0; i < 20; i++) expect(statusOf(await send(url, ...webhook("s3cret")))).toBe(200);
});

test.each([
  ["127.0.0.1", 200],
  ["127.0.0.1:4319", 200],
  ["localhost:4319", 200],
  ["LOCALHOST", 200],
  ["[::1]:4319", 200],
  ["evil.example.com", 403],
  ["127.0.0.1.evil.example.com", 403],
  ["localhost.evil.example.com:4319", 403],
  ["evil.example.com:127.0.0.1", 403],
  ["user@127.0.0.1", 403],
  ["[::2]", 403],
  ["0.0.0.0", 403],
])("without a token, a request for the host %s is answered with %d", async (host, status) => {
  const url = await start();
  for (const path of ["/circuits", "/audit", "/budgets"]) {
    expect([path, statusOf(await send(url, `GET ${path} HTTP/1.1\r\nhost: ${host}`))]).toEqual([path, status]);
  }
  const events = await send(url, `GET /events HTTP/1.1\r\nhost: ${host}`);
  expect(statusOf(events)).toBe(status);
  const trip = await send(url, `POST /circuits/trip HTTP/1.1\r\nhost: ${host}`, '{"scope":"agent:a","reason":"x"}');
  expect(statusOf(trip)).toBe(status);
  expect(statusOf(await send(url, ...webhook("", host)))).toBe(status);
});

test("a page of another origin is refused, whatever the host", async () => {
  const url = await start();
  const head = "GET /circuits HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: https://evil.example.com";
  expect(statusOf(await send(url, head))).toBe(403);
});

test("behind a proxy of another name, whoever has the secret or the token is served", async () => {
  const url = await start({ webhookSecrets: ["s3cret"], operatorToken: "t0ken" });
  expect(statusOf(await send(url, ...webhook("s3cret", "breaker.example.com")))).toBe(200);
  const head = "GET /audit HTTP/1.1\r\nhost: breaker.example.com\r\nauthorization: Bearer t0ken";
  expect(statusOf(await send(url, head))).toBe(200);
  expect(statusOf(await send(url, "GET /circuits HTTP/1.1\r\nhost: breaker.example.com"))).toBe(200);
});

test.each([
  "//x/circuits",
  "//circuits",
  "/circuits/",
  "/webhooks/../circuits",
  "/./circuits",
  "/%63ircuits",
  "/circuits%2f",
  "/circuits;x",
  "/circuits#x",
  "\\circuits",
  "http://evil.example.com/circuits",
  "http://127.0.0.1/circuits",
  "*",
])("the path %s is not /circuits", async (path) => {
  const url = await start();
  expect(statusOf(await send(url, `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1`))).toBeGreaterThanOrEqual(400);
});
