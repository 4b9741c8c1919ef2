import type { OpenCall } from "../../call/open-call.ts";
import { LONG_BODY, LongText } from "../../wire/long-text.ts";

const EMPTY = new Uint8Array(0);

/** Collects a body that is no event stream, and reports its end to the call. */
export interface WholeBody {
  /** Keeps a copy: the chunk's memory goes to the reader. */
  add(chunk: Uint8Array): Uint8Array;
  /** The body ended. Returns the bytes held back of an event stream. */
  end(): Uint8Array;
}

export function createWholeBody(call: OpenCall): WholeBody {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let long: LongText | undefined;

  function lengthen(): LongText {
    long = new LongText();
    for (const chunk of chunks) long.add(chunk);
    chunks.length = 0;
    return long;
  }

  return {
    add(chunk) {
      size += chunk.byteLength;
      if (size > LONG_BODY) (long ?? lengthen()).add(chunk);
      // Not `chunk.slice()`, which of a Buffer is a view.
      else chunks.push(new Uint8Array(chunk));
      return chunk;
    },
    end() {
      if (call.stream) return call.end();
      call.body(long === undefined ? Buffer.concat(chunks) : long.parse());
      return EMPTY;
    },
  };
}
