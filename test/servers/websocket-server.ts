import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { LOCALHOST } from "../fixtures/localhost.ts";

/** The `ws` package has no types here. */
export interface ServerSocket {
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): void;
  send(data: string | Buffer, options?: object): void;
  close(code?: number, reason?: string): void;
  terminate(): void;
}

const { WebSocketServer } = createRequire(import.meta.url)("ws") as {
  WebSocketServer: new (
    options: object,
  ) => {
    handleUpgrade(request: unknown, socket: unknown, head: unknown, done: (socket: ServerSocket) => void): void;
    clients: Set<ServerSocket>;
  };
};

type Message = Readonly<Record<string, unknown>>;

/** A vendor of Realtime, of Responses on a WebSocket and of Live. */
export interface WebSocketServer {
  readonly url: string;
  readonly host: string;
  /** Paths of handshakes that arrived, with their headers. */
  readonly handshakes: readonly { readonly path: string; readonly headers: NodeJS.Dict<string | string[]> }[];
  /** Messages that arrived, parsed. */
  readonly received: readonly Message[];
  /** How the next responses end: whole, or with the connection cut after the first delta. */
  cuts: boolean;
  /** When Live reports the usage of a turn: with its end, in a message after it, or never. */
  liveUsage: "with" | "after" | "never";
  readonly sockets: Set<ServerSocket>;
  close(): Promise<void>;
}

export const REALTIME_USAGE = {
  total_tokens: 253,
  input_tokens: 132,
  output_tokens: 121,
  input_token_details: {
    text_tokens: 119,
    audio_tokens: 13,
    image_tokens: 0,
    cached_tokens: 64,
    cached_tokens_details: { text_tokens: 60, audio_tokens: 4, image_tokens: 0 },
  },
  output_token_details: { text_tokens: 30, audio_tokens: 91 },
};
const TRANSCRIPTION_USAGE = {
  ...{ type: "tokens", input_tokens: 14, output_tokens: 5, total_tokens: 19 },
  input_token_details: { audio_tokens: 14 },
};
export const RESPONSES_USAGE = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 40 },
  output_tokens: 20,
  output_tokens_details: { reasoning_tokens: 5 },
  total_tokens: 120,
};
export const LIVE_USAGE = {
  promptTokenCount: 50,
  responseTokenCount: 30,
  totalTokenCount: 80,
  promptTokensDetails: [
    { modality: "TEXT", tokenCount: 10 },
    { modality: "AUDIO", tokenCount: 40 },
  ],
  responseTokensDetails: [{ modality: "AUDIO", tokenCount: 30 }],
};

let ids = 0;

export async function startWebSocketServer({
  tls = false,
  ...options
}: {
  tls?: boolean;
  perMessageDeflate?: object;
} = {}): Promise<WebSocketServer> {
  const handshakes: { path: string; headers: NodeJS.Dict<string | string[]> }[] = [];
  const received: Message[] = [];
  const answerPlain = (_: IncomingMessage, response: ServerResponse) => response.writeHead(404).end();
  const server = tls ? createSecureServer(LOCALHOST, answerPlain) : createServer(answerPlain);
  const sockets = new WebSocketServer({ noServer: true, ...options });
  const self: WebSocketServer = {
    url: "",
    host: "",
    handshakes,
    received,
    cuts: false,
    liveUsage: "with",
    sockets: sockets.clients,
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  server.on("upgrade", (request, socket, head) => {
    const path = request.url ?? "";
    handshakes.push({ path, headers: request.headers });
    // A handshake with this header is answered later than those after it.
    const wait = Number(request.headers["x-wait-ms"] ?? 0);
    if (wait > 0) setTimeout(accept, wait);
    else accept();
    function accept(): void {
      sockets.handleUpgrade(request, socket, head, (client) => {
        if (path.includes("/realtime")) {
          client.send(JSON.stringify({ type: "session.created", event_id: "e0", session: { model: "gpt-realtime" } }));
        }
        client.on("message", (data, isBinary) => {
          let message: Message | undefined;
          try {
            message = JSON.parse(String(data)) as Message;
          } catch {
            client.send(data, { binary: isBinary });
            return;
          }
          received.push(message);
          answer(self, client, path, message);
        });
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(self, {
    url: tls ? `wss://localhost:${port}` : `ws://127.0.0.1:${port}`,
    host: `${tls ? "localhost" : "127.0.0.1"}:${port}`,
  });
}

function answer(server: WebSocketServer, client: ServerSocket, path: string, message: Message): void {
  const send = (json: object): void => client.send(JSON.stringify(json));
  if (path.includes("BidiGenerateContent")) live(server, client, message, send);
  else if (path.includes("/realtime")) realtime(server, client, message, send);
  else responses(server, client, message, send);
}

function realtime(server: WebSocketServer, client: ServerSocket, message: Message, send: (json: object) => void): void {
  switch (message.type) {
    case "session.update":
      send({
        type: "session.updated",
        event_id: "e1",
        session: { model: "gpt-realtime", ...(message.session as object) },
      });
      return;
    case "response.cancel":
      send({
        type: "response.done",
        event_id: "e9",
        response: doneOf("cancelled", message.response_id, REALTIME_USAGE),
      });
      return;
    case "input_audio_buffer.commit":
      // As voice activity does.
      send({
        type: "conversation.item.input_audio_transcription.completed",
        event_id: "e2",
        item_id: "item_1",
        content_index: 0,
        transcript: "Hi",
        usage: message.by === "time" ? { type: "duration", seconds: 12.4 } : TRANSCRIPTION_USAGE,
      });
      speak(server, client, send, false);
      return;
    case "response.create":
      speak(server, client, send, message.event_id === "open");
  }
}

function speak(server: WebSocketServer, client: ServerSocket, send: (json: object) => void, staysOpen: boolean): void {
  const id = `resp_${++ids}`;
  const part = { event_id: "e3", response_id: id, item_id: "i", output_index: 0, content_index: 0 };
  send({
    type: "response.created",
    event_id: "e3",
    response: { object: "realtime.response", id, status: "in_progress", output: [] },
  });
  send({ type: "response.output_audio_transcript.delta", ...part, delta: "Hello there, how are you?" });
  send({ type: "response.output_audio.delta", ...part, delta: Buffer.alloc(48_000).toString("base64") });
  if (server.cuts) client.terminate();
  else if (!staysOpen)
    send({ type: "response.done", event_id: "e4", response: doneOf("completed", id, REALTIME_USAGE) });
}

function doneOf(status: string, id: unknown, usage: object): object {
  return { object: "realtime.response", id, status, output: [], usage };
}

function responses(
  server: WebSocketServer,
  client: ServerSocket,
  message: Message,
  send: (json: object) => void,
): void {
  if (message.type !== "response.create") return;
  if (message.previous_response_id === "resp_gone") {
    send({
      type: "error",
      status: 400,
      error: { type: "invalid_request_error", code: "previous_response_not_found", message: "gone" },
    });
    return;
  }
  const id = `resp_${++ids}`;
  const response = { id, object: "response", model: "gpt-5.1", status: "in_progress", output: [] };
  send({ type: "response.created", sequence_number: 0, response });
  if (message.generate === false) {
    send({
      type: "response.completed",
      sequence_number: 1,
      response: { ...response, status: "completed", usage: null },
    });
    return;
  }
  send({
    type: "response.output_text.delta",
    sequence_number: 1,
    item_id: "m",
    output_index: 0,
    content_index: 0,
    delta: "Hello there",
    logprobs: [],
  });
  if (server.cuts) client.terminate();
  else if (message.stream_id !== "open")
    send({
      type: "response.completed",
      sequence_number: 2,
      response: { ...response, status: "completed", usage: RESPONSES_USAGE },
    });
}

function live(server: WebSocketServer, client: ServerSocket, message: Message, send: (json: object) => void): void {
  // Google sends its messages in binary frames.
  const sendBinary = (json: object): void => client.send(Buffer.from(JSON.stringify(json)));
  if (message.setup !== undefined) {
    sendBinary({ setupComplete: {} });
    return;
  }
  if (message.realtimeInput !== undefined) {
    // Speech, which interrupts what the model says.
    sendBinary({ serverContent: { interrupted: true } });
    sendBinary({ serverContent: { turnComplete: true }, usageMetadata: LIVE_USAGE });
    return;
  }
  const content = message.clientContent as { turnComplete?: boolean; staysOpen?: boolean } | undefined;
  if (content?.turnComplete !== true && message.toolResponse === undefined) return;
  if (server.cuts) {
    send({ serverContent: { modelTurn: { role: "model", parts: [{ text: "Hello there, my friend" }] } } });
    client.terminate();
    return;
  }
  sendBinary({
    serverContent: { modelTurn: { role: "model", parts: [{ inlineData: { mimeType: "audio/pcm", data: "AAAA" } }] } },
  });
  if (content?.staysOpen === true) return;
  sendBinary({ serverContent: { generationComplete: true } });
  const usage = { usageMetadata: LIVE_USAGE };
  sendBinary({ serverContent: { turnComplete: true }, ...(server.liveUsage === "with" && usage) });
  if (server.liveUsage === "after") sendBinary(usage);
}
