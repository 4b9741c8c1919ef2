import { clearTimeout, setTimeout } from "node:timers";

/** How far a body is read ahead of its reader. */
export interface Limits {
  /** No more is read once more bytes than this have come. */
  readonly maxBytes: number;
  readonly maxMs: number;
}

/** The text of a body; undefined where it is long, late or broken, which its own reader learns by itself. */
export async function readAhead(
  read: () => Promise<ReadableStreamReadResult<Uint8Array>>,
  { maxBytes, maxMs }: Limits,
): Promise<string | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(late.resolve, maxMs, undefined);
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let size = 0; size <= maxBytes; ) {
      const result = await Promise.race([read(), late.promise]);
      if (result === undefined) return undefined;
      if (result.done) return text + decoder.decode();
      text += decoder.decode(result.value, { stream: true });
      size += result.value.byteLength;
    }
    return undefined;
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
