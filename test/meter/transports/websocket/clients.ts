import { WebSocket as WsSocket } from "ws";

/** A socket of either library, as far as both are alike. */
export interface Client {
  readonly socket: WebSocket;
  /** What was received, errors and the closing included. */
  readonly events: string[];
  /** Resolves when an event that contains this has come, also one that is here already. */
  until(text: string): Promise<string>;
  send(message: object | string): void;
}

/** The sockets that are metered: the `ws` package's, and Node's own. */
export const LIBRARIES: Readonly<Record<string, () => typeof WebSocket>> = {
  ws: () => WsSocket as unknown as typeof WebSocket,
  "Node's own": () => globalThis.WebSocket,
};

export async function textOf(data: unknown): Promise<string> {
  if (typeof data === "string") return data;
  return data instanceof Blob ? data.text() : Buffer.from(data as ArrayBuffer).toString();
}

export function connect(library: () => typeof WebSocket, url: string, headers?: Record<string, string>): Client {
  // Node's takes an object in the place of its protocols, `ws` one after them.
  if (library === LIBRARIES.ws) return listen(new WsSocket(url, { headers }) as unknown as WebSocket);
  return listen(new (library())(url, (headers && { headers }) as never));
}

function listen(socket: WebSocket): Client {
  const events: string[] = [];
  const waiting = new Set<() => void>();
  const add = (event: string): void => {
    events.push(event);
    for (const look of waiting) look();
  };
  socket.addEventListener("open", () => add("open"));
  socket.addEventListener("message", ({ data }) => {
    textOf(data).then((text) => add(`message ${text}`));
  });
  socket.addEventListener("error", (event) => add(`error ${(event as ErrorEvent).message}`));
  socket.addEventListener("close", ({ code, reason }) => add(`close ${code} ${reason}`));
  return {
    socket,
    events,
    send: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    until: (text) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = events.find((event) => event.includes(text));
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
  };
}
