import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createSecureServer, createServer as createServer2 } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { LOCALHOST } from "../fixtures/localhost.ts";

/** A model vendor on one transport: answers chats whole or streamed, and WebSocket handshakes. */
export interface TransportServer {
  readonly url: string;
  /** Name and port, as a `hosts` row of the configuration writes it. */
  readonly host: string;
  /** Requests that arrived, handshakes included: method and path. */
  readonly seen: readonly string[];
  close(): Promise<void>;
}

/** `tls` speaks HTTP/2 or 1.1, as the client asks; `h2c` HTTP/2 without TLS. */
export type Transport = "http" | "tls" | "h2c";

const CHAT = {
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "gpt-5",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 },
};
const MESSAGE = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-6",
  content: [{ type: "text", text: "Hello" }],
  stop_reason: "end_turn",
  usage: { input_tokens: 10, output_tokens: 2 },
};
const STREAM = [
  { ...CHAT, choices: [{ index: 0, delta: { role: "assistant", content: "Hello" }, finish_reason: null }] },
  { ...CHAT, choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
];

export async function startTransportServer(transport: Transport, delayMs = 0): Promise<TransportServer> {
  const seen: string[] = [];
  const sockets = new Set<Socket>();

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    seen.push(`${request.method} ${request.url}`);
    let body = "";
    for await (const chunk of request) body += String(chunk);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    const { url = "" } = request;
    if (url.startsWith("/moved")) {
      response.writeHead(307, { location: url.slice("/moved".length) }).end();
    } else if (url.startsWith("/down")) {
      response.writeHead(503).end();
    } else if (body.includes('"stream":true')) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const frame of STREAM) response.write(`data: ${JSON.stringify(frame)}\n\n`);
      response.end("data: [DONE]\n\n");
    } else {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(url.includes("/messages") ? MESSAGE : CHAT));
    }
  }

  const listener = (request: unknown, response: unknown): void => {
    answer(request as IncomingMessage, response as ServerResponse).catch(() => {});
  };
  const server =
    transport === "http"
      ? createServer(listener)
      : transport === "tls"
        ? createSecureServer({ ...LOCALHOST, allowHTTP1: true }, listener)
        : createServer2(listener);
  server.on("upgrade", (request: IncomingMessage, socket: Socket) => {
    seen.push(`${request.method} ${request.url}`);
    socket.end("HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  });
  server.on("sessionError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const name = transport === "tls" ? "localhost" : "127.0.0.1";

  return {
    url: `${transport === "tls" ? "https" : "http"}://${name}:${port}`,
    host: `${name}:${port}`,
    seen,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
