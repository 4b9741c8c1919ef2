import { setTimeout } from "node:timers";
import { array, object, parse } from "../../core/json.ts";
import { asCircuit } from "../../limits/circuit.ts";
import type { Feed } from "./circuit-cache.ts";

/** Listens to a breaker until it is closed. */
export interface Listening {
  close(): void;
}

const RETRY_MS = 250;
const MAX_RETRY_MS = 10_000;
/** A breaker sends a comment every 15 s; after this long a silent connection is taken for dead. */
const SILENT_MS = 40_000;

/**
 * Follows a breaker's event stream: `circuits` with all that are not closed, then `circuit` for each change. Reconnects
 * automatically, and never keeps the process alive.
 */
export async function listen(url: string, feed: Feed, onFailure: (error: unknown) => void): Promise<Listening> {
  const address = new URL(`${url.replace(/\/+$/, "")}/events`);
  // Loaded on demand: only apps with a breaker need it.
  const http = address.protocol === "https:" ? await import("node:https") : await import("node:http");
  let closed = false;
  let retryMs = RETRY_MS;
  let hangUp = (): void => {};

  function connect(): void {
    if (closed) return;
    let over = false;
    const lost = (error: unknown): void => {
      if (over) return;
      over = true;
      request.destroy();
      if (closed) return;
      feed.away();
      onFailure(error);
      // Jitter, so that processes do not reconnect all at once.
      setTimeout(connect, retryMs * (0.5 + Math.random())).unref();
      retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
    };
    const request = http.get(address, { headers: { accept: "text/event-stream" } }, (response) => {
      if (response.statusCode !== 200) {
        lost(new Error(`${address} answers ${response.statusCode}`));
        return;
      }
      const read = createEventReader((event, data) => {
        if (event === "circuits") {
          retryMs = RETRY_MS;
          feed.replace(array(object(JSON.parse(data))?.circuits).flatMap((one) => asCircuit(one) ?? []));
        } else if (event === "circuit") {
          const circuit = asCircuit(parse(data));
          if (circuit !== undefined) feed.put(circuit);
        }
      });
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        try {
          read(text);
        } catch (error) {
          lost(error);
        }
      });
      response.on("end", () => lost(new Error(`${address} closed the connection`)));
      response.on("error", lost);
    });
    request.on("socket", (socket) => socket.unref());
    request.setTimeout(SILENT_MS, () => lost(new Error(`${address} is silent`)));
    request.on("error", lost);
    hangUp = () => request.destroy();
  }

  connect();
  return {
    close() {
      closed = true;
      hangUp();
    },
  };
}

/** Reads server-sent events as far as a breaker writes them: `event:`, `data:`, comments. */
function createEventReader(onEvent: (event: string, data: string) => void): (text: string) => void {
  let rest = "";
  let event = "message";
  let data = "";
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() as string;
    for (const line of lines) {
      if (line === "") {
        if (data !== "") onEvent(event, data);
        event = "message";
        data = "";
      } else if (line.startsWith("event:")) event = line.slice(6).trim();
      else if (line.startsWith("data:")) data += line.slice(5).trim();
    }
  };
}
