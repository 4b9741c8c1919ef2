import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createServer2 } from "node:http2";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";

/** A vendor in a process of its own, over HTTP/1.1, HTTP/2 without TLS, and WebSockets: prints its ports, ends with its parent. */
const MODEL = "gpt-5-mini";
const USAGE = { prompt_tokens: 78, completion_tokens: 190, total_tokens: 268 };
const MESSAGE = { role: "assistant", content: "The capital of Mexico is Mexico City." };
const WHOLE = JSON.stringify({
  ...{ id: "chatcmpl-1", object: "chat.completion", model: MODEL, usage: USAGE },
  choices: [{ index: 0, message: MESSAGE, finish_reason: "stop" }],
});
const chunk = (delta: object, finish: string | null, usage: object | null): string =>
  `data: ${JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", model: MODEL, choices: [{ index: 0, delta, finish_reason: finish }], usage })}\n\n`;
const DELTA = Buffer.from(chunk({ content: " harbour" }, null, null));
const LAST = `${chunk({}, "stop", null)}${chunk({}, null, USAGE)}data: [DONE]\n\n`;

const EVENT = JSON.stringify({ type: "response.output_text.delta", item_id: "m", output_index: 0, delta: " harbour" });
const COMPLETED = JSON.stringify({
  type: "response.completed",
  response: {
    ...{ id: "resp_1", object: "response", status: "completed", model: MODEL, output: [] },
    usage: { input_tokens: 78, output_tokens: 190, total_tokens: 268 },
  },
});

interface Asked {
  readonly stream?: boolean;
  readonly chunks?: number;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = "";
  for await (const piece of request) body += String(piece);
  const { stream, chunks = 0 } = JSON.parse(body) as Asked;
  if (stream !== true) {
    response.writeHead(200, { "content-type": "application/json" }).end(WHOLE);
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (let sent = 0; sent < chunks; sent++) {
    // Each as a packet of its own, as vendors send them.
    if (!response.write(DELTA)) await new Promise((resolve) => response.once("drain", resolve));
    if (sent % 8 === 7) await new Promise(setImmediate);
  }
  response.end(LAST);
}

interface Socket {
  on(event: "message", listener: (data: Buffer) => void): void;
  send(data: string): void;
}

const { WebSocketServer } = createRequire(import.meta.url)("ws") as {
  WebSocketServer: new (options: object) => { on(event: "connection", listener: (socket: Socket) => void): void };
};

const http = createServer((request, response) => void answer(request, response));
const http2 = createServer2((request, response) => void answer(request as never, response as never));
new WebSocketServer({ server: http }).on("connection", (socket) => {
  socket.on("message", (data) => {
    const { chunks = 0 } = JSON.parse(String(data)) as Asked;
    for (let sent = 0; sent < chunks; sent++) socket.send(EVENT);
    socket.send(COMPLETED);
  });
});

const ports = await Promise.all(
  [http, http2].map(async (server) => {
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }),
);
console.log(ports.join(" "));
process.stdin.resume().once("end", () => process.exit());
