const LF = 10;
const CR = 13;
/** From this many bytes on, Node's own search is faster than that of the language. */
const FAR = 512;
const searchFar = Buffer.prototype.indexOf as (this: Uint8Array, byte: number, from: number) => number;

/** Where a byte is from `from` on, or -1. */
export function findByte(bytes: Uint8Array, byte: number, from: number): number {
  return bytes.length - from > FAR ? searchFar.call(bytes, byte, from) : bytes.indexOf(byte, from);
}

/** Just behind the blank line that ends the frame at `from`, or -1. Lines end with LF or CRLF. */
export function frameEnd(bytes: Uint8Array, from: number): number {
  for (let at = findByte(bytes, LF, from); at >= 0; at = findByte(bytes, LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return -1;
}

/** Whether the bytes end with the empty line that ends an event. */
export function endsEvent(bytes: Uint8Array): boolean {
  const { length } = bytes;
  if (bytes[length - 1] !== LF) return false;
  return bytes[length - 2] === LF || (bytes[length - 2] === CR && bytes[length - 3] === LF);
}

/** The bytes up to the first end of an event; undefined when there is none. */
export function restOfEvent(bytes: Uint8Array): Uint8Array | undefined {
  for (let end = 1; end <= bytes.length; end++) {
    const head = bytes.subarray(0, end);
    if (bytes[end - 1] === LF && endsEvent(head)) return head;
  }
  return undefined;
}

/** As a Buffer where the caller's chunk is one. */
export function likeChunk(bytes: Uint8Array, chunk: Uint8Array): Uint8Array {
  return bytes instanceof Buffer || !(chunk instanceof Buffer)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Moves what stays over what goes, in place: these bytes have no other reader. */
export function cut(bytes: Uint8Array, cuts: readonly number[], end: number): Uint8Array {
  let write = cuts[0] as number;
  for (let i = 0; i < cuts.length; i += 2) {
    const from = cuts[i + 1] as number;
    const to = (cuts[i + 2] ?? end) as number;
    bytes.copyWithin(write, from, to);
    write += to - from;
  }
  return bytes.subarray(0, write);
}
