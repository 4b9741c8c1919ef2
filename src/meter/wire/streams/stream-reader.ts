/** Reads the events of one stream as its chunks pass by. */
export interface StreamReader {
  /**
   * Reads a chunk; the memory of an `owned` one is not shared. Returns what the caller gets of it: the chunk itself, or,
   * when we asked for usage, the chunk without what we asked for.
   */
  push(chunk: Uint8Array, owned?: boolean): Uint8Array;
  /** The bytes held back, at the end of the stream. */
  rest(): Uint8Array;
  /** The bytes held back and the chunk after them, unchanged, for when `push` or `rest` has failed. */
  release(chunk: Uint8Array): Uint8Array;
  /** Whether the stream, up to and including `passed`, what the last `push` returned, ends at the end of an event. */
  endsEvent(passed: Uint8Array): boolean;
  /** The bytes of `passed`, what the last `push` returned, up to the first end of an event; undefined when there is none. */
  restOfEvent(passed: Uint8Array): Uint8Array | undefined;
}
