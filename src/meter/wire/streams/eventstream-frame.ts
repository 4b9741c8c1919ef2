/**
 * A frame of `application/vnd.amazon.eventstream`: its length and that of its headers, 4 bytes each, a checksum of these,
 * the headers, the payload, a checksum of all [smithy.io, Amazon Event Stream]. Numbers are big-endian.
 */
export const PRELUDE = 12;
/** The checksum at the end of a frame. */
export const CHECKSUM = 4;
/** Vendors' frames have at most 16 MiB of payload and 128 KiB of headers. */
const MAX_FRAME = 32 * 1024 * 1024;
export const MAX_HEADERS: number = 128 * 1024;

/** Whether these can be the lengths of a frame and of its headers. */
export function areLengths(total: number, headers: number): boolean {
  return total <= MAX_FRAME && headers <= MAX_HEADERS && total >= PRELUDE + headers + CHECKSUM;
}

export function uint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}

/** What the headers of a frame say that it is. */
export interface FrameHead {
  /** `event`, `exception` or `error`. */
  readonly message: string;
  /** The name of the event. */
  readonly event: string;
}

const STRING = 7;
const BYTES = 6;
/** Bytes of a header's value by its type: two booleans, 1 to 8 bytes of integer, a time, a UUID. */
const SIZES: readonly (number | undefined)[] = [0, 0, 1, 2, 4, 8, undefined, undefined, 8, 16];
const latin1 = Buffer.prototype.latin1Slice as (this: Uint8Array, start: number, end: number) => string;

/** Reads the headers between two places; undefined when they are malformed. */
export function readHead(bytes: Uint8Array, from: number, to: number): FrameHead | undefined {
  let message = "";
  let event = "";
  let at = from;
  while (at < to) {
    const nameEnd = at + 1 + (bytes[at] as number);
    if (nameEnd >= to) return undefined;
    const type = bytes[nameEnd] as number;
    let start = nameEnd + 1;
    let size = SIZES[type];
    if (size === undefined) {
      if ((type !== STRING && type !== BYTES) || start + 2 > to) return undefined;
      size = ((bytes[start] as number) << 8) | (bytes[start + 1] as number);
      start += 2;
    }
    const end = start + size;
    if (end > to) return undefined;
    if (type === STRING) {
      const name = latin1.call(bytes, at + 1, nameEnd);
      if (name === ":message-type") message = latin1.call(bytes, start, end);
      else if (name === ":event-type") event = latin1.call(bytes, start, end);
    }
    at = end;
  }
  return { message, event };
}

/** A modelled exception, which the SDKs raise as an error of that name. */
export function writeException(name: string, data: object): Uint8Array {
  return writeFrame(
    { ":exception-type": name, ":content-type": "application/json", ":message-type": "exception" },
    Buffer.from(JSON.stringify(data)),
  );
}

/** A frame with headers of text. */
function writeFrame(headers: Readonly<Record<string, string>>, payload: Uint8Array): Uint8Array {
  const { crc32 } = process.getBuiltinModule("node:zlib");
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => writeHeader(name, Buffer.from(value))));
  const frame = Buffer.alloc(PRELUDE + head.length + payload.length + CHECKSUM);
  frame.writeUInt32BE(frame.length, 0);
  frame.writeUInt32BE(head.length, 4);
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8);
  frame.set(head, PRELUDE);
  frame.set(payload, PRELUDE + head.length);
  frame.writeUInt32BE(crc32(frame.subarray(0, frame.length - CHECKSUM)), frame.length - CHECKSUM);
  return frame;
}

function writeHeader(name: string, value: Uint8Array): Uint8Array {
  return Buffer.concat([
    Buffer.from([name.length]),
    Buffer.from(name),
    Buffer.from([STRING, value.length >> 8, value.length & 0xff]),
    value,
  ]);
}
