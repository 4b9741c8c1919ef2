import nodeFetch from "node-fetch";
import { fetch as undiciFetch } from "undici";
import { bodyFor, eventStream, pieces, WHOLE } from "./answers.ts";

/** Big enough for whole frames, so that a chunk may be passed on as it is. */
const CHUNK = 701;

/** Every response of the custom fetch is sliced from one of these. */
const SHARED = new Map([eventStream(true), eventStream(false), WHOLE].map((text) => [text, Buffer.from(text)]));

/** Whether the shared buffers are unchanged; changes are repaired. */
export function sharedIntact(): boolean {
  const spoilt = [...SHARED].filter(([text, buffer]) => buffer.toString() !== text);
  for (const [text, buffer] of spoilt) buffer.write(text);
  return spoilt.length === 0;
}

/** How a fetch without a network behaves, and what it was told. */
export interface Network {
  /** Chunks after which nothing comes any more. */
  hangsAfter: number;
  canceled: number;
}

/** A fetch of the caller's own: its chunks are slices of one buffer, which it will use again. */
export function customFetch(network: Network): typeof fetch {
  return async (_input, init) => {
    const text = bodyFor(String(init?.body));
    const chunks = pieces(SHARED.get(text) as Buffer, CHUNK);
    const { signal } = init ?? {};
    let at = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        start(controller) {
          signal?.addEventListener("abort", () => controller.error(signal.reason));
        },
        pull(controller) {
          if (at >= network.hangsAfter) return new Promise(() => {});
          const chunk = chunks[at++];
          if (chunk) controller.enqueue(chunk);
          else controller.close();
          return undefined;
        },
        cancel() {
          network.canceled += 1;
        },
      },
      { highWaterMark: 0 },
    );
    const type = text === WHOLE ? "application/json" : "text/event-stream; charset=utf-8";
    return new Response(body, { headers: { "content-type": type, "x-request-id": "req_1" } });
  };
}

/** Where a response comes from. */
export interface Source {
  /** Its body is a Node stream. */
  readonly node: boolean;
  readonly fetch: typeof fetch;
}

export const network: Network = { hangsAfter: Number.POSITIVE_INFINITY, canceled: 0 };

export const SOURCES: Readonly<Record<string, Source>> = {
  "native fetch": { node: false, fetch: globalThis.fetch },
  "custom fetch": { node: false, fetch: customFetch(network) },
  undici: { node: false, fetch: undiciFetch as unknown as typeof fetch },
  "node-fetch": { node: true, fetch: nodeFetch as unknown as typeof fetch },
};
