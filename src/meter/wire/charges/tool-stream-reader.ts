import { FRAMINGS, type Framing } from "../framings.ts";
import type { StreamReader } from "../streams/stream-reader.ts";
import { type ToolStream, type ToolStreams, takeEvent } from "./tool-streams.ts";

/** The most characters of one event that are kept; the rest of a longer one is not read. */
const MAX_EVENT = 16 * 2 ** 20;
const EMPTY = new Uint8Array(0);

/** Reads the answers of an MCP server's event stream as they pass, and changes none of its bytes. */
export function toolStreamFraming(streams: ToolStreams, stream: ToolStream): Framing {
  return { ...FRAMINGS.sse, open: () => new ToolStreamReader(streams, stream) };
}

class ToolStreamReader implements StreamReader {
  readonly #streams: ToolStreams;
  readonly #stream: ToolStream;
  readonly #decoder = new TextDecoder();
  /** The line that has not ended. */
  #line = "";
  #name = "";
  #data = "";
  #tooLong = false;

  constructor(streams: ToolStreams, stream: ToolStream) {
    this.#streams = streams;
    this.#stream = stream;
  }

  push(chunk: Uint8Array): Uint8Array {
    const text = this.#decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
      const line = this.#line + text.slice(from, end);
      this.#line = "";
      from = end + 1;
      this.#read(line.endsWith("\r") ? line.slice(0, -1) : line);
    }
    this.#keep(text.slice(from));
    return chunk;
  }

  #keep(rest: string): void {
    if (this.#line.length + rest.length > MAX_EVENT) this.#tooLong = true;
    else this.#line += rest;
  }

  #read(line: string): void {
    if (line === "") this.#dispatch();
    else if (line.startsWith("event:")) this.#name = line.slice(6).trim();
    else if (line.startsWith("data:")) {
      const data = line.slice(line.startsWith("data: ") ? 6 : 5);
      if (this.#data.length + data.length > MAX_EVENT) this.#tooLong = true;
      else this.#data += this.#data === "" ? data : `\n${data}`;
    }
  }

  #dispatch(): void {
    const [name, data, whole] = [this.#name, this.#data, !this.#tooLong];
    [this.#name, this.#data, this.#tooLong] = ["", "", false];
    if (whole && data !== "") takeEvent(this.#streams, this.#stream, name === "" ? "message" : name, data);
  }

  rest(): Uint8Array {
    return EMPTY;
  }

  release(chunk: Uint8Array): Uint8Array {
    return chunk;
  }

  endsEvent(): boolean {
    return false;
  }

  restOfEvent(): Uint8Array | undefined {
    return undefined;
  }
}
