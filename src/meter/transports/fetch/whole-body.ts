import type { OpenCall } from "../../call/open-call.ts";

/** Whole bodies above this are passed on unread, in bytes. */
const MAX_BODY = 64 * 1024 * 1024;
const EMPTY = new Uint8Array(0);

/** Collects a body that is no event stream, and reports its end to the call. */
export interface WholeBody {
  /** Keeps a copy: the chunk's memory goes to the reader. */
  add(chunk: Uint8Array): Uint8Array;
  /** The body ended. Returns the bytes held back of an event stream. */
  end(): Uint8Array;
}

export function createWholeBody(call: OpenCall): WholeBody {
  let chunks: Uint8Array[] | undefined = [];
  let size = 0;
  return {
    add(chunk) {
      size += chunk.byteLength;
      if (size > MAX_BODY) chunks = undefined;
      // Not `chunk.slice()`, which of a Buffer is a view.
      chunks?.push(new Uint8Array(chunk));
      return chunk;
    },
    end() {
      if (call.stream) return call.end();
      if (chunks) call.body(Buffer.concat(chunks).toString());
      else call.settle({ type: "end" });
      return EMPTY;
    },
  };
}
