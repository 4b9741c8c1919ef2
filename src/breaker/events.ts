import type { ServerResponse } from "node:http";
import { setInterval } from "node:timers";
import { type Circuit, circuitAt } from "../core/circuit.ts";

/** The event stream: everybody who listens gets all circuits that are not closed, then each change. */
export interface Events {
  /** Takes a listener in. */
  add(response: ServerResponse, circuits: readonly Circuit[]): void;
  tell(circuit: Circuit): void;
  close(): void;
}

const HEARTBEAT_MS = 15_000;
/** Whoever is that far behind does not read. */
const MAX_BUFFERED = 1024 * 1024;
const HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // Proxies such as nginx hold back what they can.
  "x-accel-buffering": "no",
};

export function createEvents(clock: () => number): Events {
  const listeners = new Set<ServerResponse>();
  const heartbeat = setInterval(() => send(Buffer.from(": alive\n\n")), HEARTBEAT_MS);
  heartbeat.unref();

  /** Written once, whoever reads it. */
  function send(event: Buffer): void {
    for (const response of listeners) {
      if (response.writableLength > MAX_BUFFERED) response.destroy();
      else response.write(event);
    }
  }

  return {
    add(response, circuits) {
      response.writeHead(200, HEADERS);
      response.socket?.setNoDelay(true);
      const open = circuits.filter((circuit) => circuitAt(circuit, clock()).state !== "closed");
      response.write(eventOf("circuits", { circuits: open }));
      listeners.add(response);
      response.on("close", () => listeners.delete(response));
    },
    tell: (circuit) => send(eventOf("circuit", circuit)),
    close() {
      clearInterval(heartbeat);
      for (const response of listeners) response.destroy();
    },
  };
}

function eventOf(name: string, data: object): Buffer {
  return Buffer.from(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}
