import type { ServerResponse } from "node:http";
import { setInterval } from "node:timers";
import { type Circuit, circuitAt } from "../limits/circuit.ts";
import type { Awaitable } from "../stores/store.ts";

/** The event stream: each client gets all circuits that are not closed, then each change. */
export interface Events {
  /**
   * Adds a client; `read` returns all circuits. Resolves to false, with nothing sent, where there are too many already;
   * rejects, with nothing sent, when the circuits cannot be read.
   */
  add(response: ServerResponse, read: () => Awaitable<readonly Circuit[]>): Promise<boolean>;
  tell(circuit: Circuit): void;
  /** Clients that follow. */
  count(): number;
  /** Drops all clients; they reconnect for a full snapshot. */
  hangUp(): void;
  close(): void;
}

const HEARTBEAT_MS = 15_000;
/** A client this many bytes behind is dropped. */
const MAX_BUFFERED = 1024 * 1024;
/** Clients of one address, and in all: fewer than a server has connections, so that webhooks always have one. */
const MAX_OF_ADDRESS = 2_000;
const MAX_CLIENTS = 8_000;
const HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // Keeps proxies such as nginx from buffering.
  "x-accel-buffering": "no",
};

export function createEvents(clock: () => number): Events {
  const listeners = new Set<ServerResponse>();
  /** Changes that arrive while the circuits are read for a new client; sent after them. */
  const joining = new Set<Buffer[]>();
  const heartbeat = setInterval(() => send(Buffer.from(": alive\n\n")), HEARTBEAT_MS);
  heartbeat.unref();
  const addresses = new Map<string, number>();
  let clients = 0;
  let told = 0;

  function enter(address: string): boolean {
    const own = addresses.get(address) ?? 0;
    if (own >= MAX_OF_ADDRESS || clients >= MAX_CLIENTS) return false;
    addresses.set(address, own + 1);
    clients += 1;
    return true;
  }

  function leave(address: string): void {
    const own = (addresses.get(address) ?? 0) - 1;
    if (own > 0) addresses.set(address, own);
    else addresses.delete(address);
    clients -= 1;
  }

  /** One buffer, shared by all clients. */
  function send(event: Buffer): void {
    for (const response of listeners) {
      if (response.writableLength > MAX_BUFFERED) drop(response);
      else response.write(event);
    }
  }

  /** Removed at once: a write after the end would be an uncaught error. */
  function drop(response: ServerResponse): void {
    listeners.delete(response);
    response.destroy();
  }

  function hangUp(): void {
    for (const response of listeners) drop(response);
  }

  return {
    async add(response, read) {
      const address = response.socket?.remoteAddress ?? "";
      if (!enter(address)) return false;
      response.on("close", () => leave(address));
      const missed: Buffer[] = [];
      joining.add(missed);
      try {
        const circuits = await read();
        if (response.destroyed) return true;
        response.on("close", () => listeners.delete(response));
        response.on("error", () => drop(response));
        response.writeHead(200, HEADERS);
        response.socket?.setNoDelay(true);
        const open = circuits.filter((circuit) => circuitAt(circuit, clock()).state !== "closed");
        for (const event of [eventOf("circuits", told, { circuits: open }), ...missed]) response.write(event);
        listeners.add(response);
        return true;
      } finally {
        joining.delete(missed);
      }
    },
    tell(circuit) {
      told += 1;
      const event = eventOf("circuit", told, circuit);
      send(event);
      for (const missed of joining) missed.push(event);
    },
    count: () => clients,
    hangUp,
    close() {
      clearInterval(heartbeat);
      hangUp();
    },
  };
}

function eventOf(name: string, id: number, data: object): Buffer {
  return Buffer.from(`event: ${name}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
}
