import { type ChildProcess, spawn } from "node:child_process";
import { Agent, type ClientRequest, request } from "node:http";
import { connect } from "node:http2";
import { createRequire } from "node:module";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { loadPackage } from "../package.ts";
import { race } from "../race.ts";

/**
 * Calls by one transport, bare and metered, to a vendor in a process of its own: `transports.ts TRANSPORT CALLS CHUNKS`,
 * without chunks answered whole.
 */
const [, , transport = "", calls = "", chunks = ""] = process.argv;
const CALLS = Number(calls);
const CHUNKS = Number(chunks);
const BODY = JSON.stringify({
  model: "gpt-5-mini",
  ...(CHUNKS > 0 && { stream: true, chunks: CHUNKS, stream_options: { include_usage: true } }),
  messages: [{ role: "user", content: "What is the capital of Mexico?" }],
});

/** Sends one call and reads its answer. */
type Client = () => Promise<void>;

const HEADERS = { "content-type": "application/json", authorization: "Bearer sk-bench" };

function drain(stream: Readable): Promise<void> {
  return new Promise(
    (resolve, reject) =>
      void stream
        .on("data", () => {})
        .once("end", resolve)
        .once("error", reject),
  );
}

function overHttp(port: number): Client {
  const agent = new Agent({ keepAlive: true });
  const url = `http://127.0.0.1:${port}/v1/chat/completions`;
  return () =>
    new Promise((resolve, reject) => {
      const sent: ClientRequest = request(url, { method: "POST", headers: HEADERS, agent }, (response) => {
        drain(response).then(resolve, reject);
      });
      sent.once("error", reject).end(BODY);
    });
}

function overHttp2(port: number): Client {
  const session = connect(`http://127.0.0.1:${port}`);
  return () => {
    const stream = session.request({ ":method": "POST", ":path": "/v1/chat/completions", ...HEADERS });
    stream.end(BODY);
    return drain(stream);
  };
}

interface Socket {
  on(event: string, listener: (data: Buffer) => void): void;
  once(event: string, listener: () => void): void;
  send(data: string): void;
  close(): void;
}

function overWebSocket(port: number): Client {
  const WebSocket = createRequire(import.meta.url)("ws") as new (url: string, options: object) => Socket;
  const ask = JSON.stringify({ type: "response.create", model: "gpt-5-mini", input: "Hi", chunks: CHUNKS });
  return async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/responses`, { headers: HEADERS });
    await new Promise<void>((resolve) => socket.once("open", resolve));
    await new Promise<void>((resolve) => {
      socket.on("message", (data) => {
        if (data.includes("response.completed")) resolve();
      });
      socket.send(ask);
    });
    socket.close();
  };
}

function overUndici(port: number): Client {
  const { Pool } = createRequire(import.meta.url)("undici") as {
    Pool: new (origin: string) => { request(options: object): Promise<{ body: Readable }> };
  };
  const pool = new Pool(`http://127.0.0.1:${port}`);
  return async () => {
    const { body } = await pool.request({ method: "POST", path: "/v1/chat/completions", headers: HEADERS, body: BODY });
    await drain(body);
  };
}

const CLIENTS: Readonly<Record<string, (http: number, http2: number) => Client>> = {
  "node-http": (http) => overHttp(http),
  http2: (_, http2) => overHttp2(http2),
  websocket: (http) => overWebSocket(http),
  undici: (http) => overUndici(http),
};

const path = fileURLToPath(new URL("transport-vendor.ts", import.meta.url));
const vendor: ChildProcess = spawn(process.execPath, [path], { stdio: ["pipe", "pipe", "inherit"] });
process.once("exit", () => vendor.kill());
const ports = await new Promise<number[]>((resolve) => {
  vendor.stdout?.once("data", (line) => resolve(String(line).split(" ").map(Number)));
});
const [http = 0, http2 = 0] = ports;
const client = (CLIENTS[transport] as (http: number, http2: number) => Client)(http, http2);

const { start, stop, onCall } = await loadPackage();
let settled = 0;
onCall(({ quality }) => {
  if (quality === "reported") settled += 1;
});

async function send(): Promise<void> {
  for (let call = 0; call < CALLS; call++) await client();
  await new Promise(setImmediate);
}

async function sendMetered(): Promise<void> {
  settled = 0;
  await send();
  if (settled !== CALLS) throw new Error(`${settled} of ${CALLS} calls were metered`);
}

const config = { hosts: [`127.0.0.1:${http}`, `127.0.0.1:${http2}`].map((host) => ({ host, like: "api.openai.com" })) };
/** The first call after a start makes what all calls share. */
async function begin(): Promise<void> {
  await start({ telemetry: false, ...(begun ? {} : { config }) });
  begun = true;
  await client();
}

let begun = false;

const prepare = [stop, begin] as const;
await race([send, sendMetered], { warmUp: 30, turns: 60, prepare: (index) => prepare[index]?.() });
