import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo, Socket } from "node:net";

/**
 * One thing the server does while it answers. The head goes out with the first bytes, so a script that begins with
 * `hang` or `cut` never answers at all.
 */
export type Step =
  /** Sent as one chunk. */
  | string
  | Uint8Array
  | { readonly pause: number }
  | { readonly until: PromiseLike<unknown> }
  /** Only status and headers. */
  | "head"
  /** Nothing more until the client goes away. */
  | "hang"
  /** The socket is destroyed in the middle of the response. */
  | "cut";

export interface Script {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
}

/** Says what to answer to a request; `attempt` counts them from 0 since `play`. */
export type Answer = (visit: Visit, attempt: number) => Script;

/** How one request was over for the server. */
export interface Over {
  /** Who ended it. */
  readonly by: "server" | "client";
  /** Chunks that were written by then. */
  readonly sent: number;
  /** `performance.now()`. */
  readonly at: number;
}

/** One request as the server saw it. */
export interface Visit {
  readonly method: string;
  /** Below the root. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly over: Promise<Over>;
  /** Resolves when the server has sent what it sends for now: it waits, or has ended. */
  readonly played: Promise<void>;
}

/** A model vendor of our own, on a port of its own. */
export interface ModelServer {
  readonly url: string;
  /** Name and port, as a `hosts` row of the configuration writes it. */
  readonly host: string;
  /**
   * What the server answers from now on; begins a new list of visits. With a `root` such as `/7` only requests below it
   * are visits: one that was made for what was played before may come late.
   */
  play(answer: Answer | Script, root?: string): void;
  readonly visits: readonly Visit[];
  /** Whether handshakes of WebSockets are accepted; they are answered 404 otherwise. */
  takesSockets: boolean;
  /** The next request that comes, or the one that already came, by its number since `play`. */
  visit(index: number): Promise<Visit>;
  /** Ends the requests that clients still hold open. */
  drop(): void;
  close(): Promise<void>;
}

/** Says what to answer to a message on a WebSocket: the messages, in order. */
export type SocketAnswer = (visit: Visit, attempt: number) => readonly string[];

const { WebSocketServer } = createRequire(import.meta.url)("ws") as {
  WebSocketServer: new (
    options: object,
  ) => {
    handleUpgrade(request: unknown, socket: unknown, head: unknown, done: (client: SocketClient) => void): void;
  };
};

interface SocketClient {
  on(event: "message", listener: (data: Buffer) => void): void;
  send(text: string): void;
}

/** @param onMessage Takes WebSockets, whose messages are visits with the method `WEBSOCKET`. */
export async function startModelServer(onMessage?: SocketAnswer): Promise<ModelServer> {
  let answer: Answer = () => ({ status: 501, steps: ["no script"] });
  let visits: Visit[] = [];
  let root = "";
  let waiting: { readonly index: number; readonly tell: (visit: Visit) => void }[] = [];
  const sockets = new Set<Socket>();
  /** With a request on them. A connection without one may be just what the next request goes out on. */
  const busy = new Set<Socket>();

  const server = createServer((request, response) => {
    receive(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.on("connection", (socket) => {
    socket.unref();
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  });

  const upgrades = new WebSocketServer({ noServer: true, perMessageDeflate: { threshold: 0 } });
  if (onMessage !== undefined) {
    server.on("upgrade", (request: IncomingMessage, socket, head) => {
      const { url: path = "", headers } = request;
      if (!self.takesSockets) return void socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
      upgrades.handleUpgrade(request, socket, head, (client) => {
        client.on("message", (data) => {
          const over = Promise.resolve<Over>({ by: "server", sent: 0, at: performance.now() });
          const visit: Visit = {
            method: "WEBSOCKET",
            path,
            headers,
            body: String(data),
            over,
            played: Promise.resolve(),
          };
          for (const text of onMessage(visit, visits.push(visit) - 1)) client.send(text);
        });
      });
    });
  }

  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    busy.add(socket);
    response.on("close", () => busy.delete(socket));
    const body = await textOf(request);
    const over = Promise.withResolvers<Over>();
    const played = Promise.withResolvers<void>();
    const state = { sent: 0, cut: false };
    response.on("close", () => {
      const by = response.writableFinished || state.cut ? "server" : "client";
      over.resolve({ by, sent: state.sent, at: performance.now() });
    });
    const { method = "", url = "", headers } = request;
    if (!url.startsWith(root)) return void socket.destroy();
    const path = url.slice(root.length);
    const visit: Visit = { method, path, headers, body, over: over.promise, played: played.promise };
    const index = visits.push(visit) - 1;
    for (const { tell } of waiting.filter((one) => one.index === index)) tell(visit);
    waiting = waiting.filter((one) => one.index !== index);
    await perform(answer(visit, index), response, state, played.resolve);
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  const self: ModelServer = {
    url: `http://${host}`,
    host,
    takesSockets: onMessage !== undefined,
    get visits() {
      return visits;
    },
    play(next, below = "") {
      root = below;
      answer = typeof next === "function" ? next : () => next;
      visits = [];
      waiting = [];
    },
    visit(index) {
      const come = visits[index];
      return come ? Promise.resolve(come) : new Promise((tell) => waiting.push({ index, tell }));
    },
    drop() {
      for (const socket of busy) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return self;
}

async function perform(
  { status = 200, headers = {}, steps }: Script,
  response: ServerResponse,
  state: { sent: number; cut: boolean },
  played: () => void,
): Promise<void> {
  response.sendDate = false;
  // A connection of its own for each request: what closes one has nothing to do with the next.
  response.shouldKeepAlive = false;
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  for (const step of steps) {
    if (response.destroyed) return;
    if (step === "hang") {
      played();
      return;
    }
    if (step === "cut") {
      played();
      state.cut = true;
      response.socket?.destroy();
      return;
    }
    if (step === "head") response.flushHeaders();
    else if (typeof step === "string" || step instanceof Uint8Array) {
      await new Promise<void>((resolve) => response.write(step, () => resolve()));
      state.sent += 1;
    } else if ("pause" in step) await new Promise((resolve) => setTimeout(resolve, step.pause).unref());
    else {
      played();
      await step.until;
    }
  }
  response.end(played);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
