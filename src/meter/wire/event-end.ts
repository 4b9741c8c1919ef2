const LF = 10;
const CR = 13;

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
