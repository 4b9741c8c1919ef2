import { randomBytes } from "node:crypto";

/** One frame of a WebSocket: RFC 6455, section 5.2. */
export interface Frame {
  /** All its bytes, as they came. */
  readonly raw: Buffer;
  readonly opcode: number;
  /** The last of its message. */
  readonly final: boolean;
  /** The message that it begins is compressed. */
  readonly compressed: boolean;
  /** Where the payload begins in `raw`. */
  readonly start: number;
  readonly masked: boolean;
}

/** What ends a connection, by the protocol's codes: 1002 for what breaks it, 1007 for unreadable data, 1009 for too much. */
export class SocketFault extends Error {
  readonly code: 1002 | 1007 | 1009;

  constructor(code: 1002 | 1007 | 1009, message: string) {
    super(message);
    this.code = code;
  }
}

/** Longer messages are not passed on. Vendors take 15 MiB at most. */
export const MAX_MESSAGE = 64 * 1024 * 1024;

export const TEXT = 1;
export const CLOSE = 8;

export function isControl({ opcode }: Frame): boolean {
  return opcode >= CLOSE;
}

/**
 * Cuts what one side sends into frames.
 * @param masked Whether that side masks, as clients have to.
 * @param compresses Whether messages may be compressed.
 * @returns Takes bytes, and gives the frames that they complete. @throws SocketFault
 */
export function createFrameReader(masked: boolean, compresses: boolean): (bytes: Buffer) => readonly Frame[] {
  let parts: Buffer[] = [];
  let size = 0;
  let need = 2;
  return (bytes) => {
    parts.push(bytes);
    size += bytes.length;
    if (size < need) return [];
    let rest = parts.length === 1 ? bytes : Buffer.concat(parts, size);
    const frames: Frame[] = [];
    for (;;) {
      const head = readHead(rest, masked, compresses);
      need = head === undefined ? rest.length + 1 : head.length;
      if (head === undefined || rest.length < need) break;
      frames.push({ ...head.frame, raw: rest.subarray(0, need) });
      rest = rest.subarray(need);
    }
    parts = rest.length === 0 ? [] : [rest];
    size = rest.length;
    return frames;
  };
}

interface Head {
  readonly frame: Omit<Frame, "raw">;
  /** Of the whole frame. */
  readonly length: number;
}

/** Undefined where more bytes are needed. */
function readHead(bytes: Buffer, masked: boolean, compresses: boolean): Head | undefined {
  if (bytes.length < 2) return undefined;
  const [first, second] = [bytes[0] as number, bytes[1] as number];
  const [opcode, final, compressed] = [first & 0x0f, (first & 0x80) !== 0, (first & 0x40) !== 0];
  const control = opcode >= CLOSE;
  const misplaced = compressed && (!compresses || control || opcode === 0);
  if ((first & 0x30) !== 0 || misplaced || opcode > 10 || (opcode > 2 && !control)) {
    throw new SocketFault(1002, "a frame of no known kind");
  }
  if (((second & 0x80) !== 0) !== masked) throw new SocketFault(1002, "a frame masked by the wrong side");
  const short = second & 0x7f;
  if (control && (short > 125 || !final)) throw new SocketFault(1002, "a control frame that is too long");
  const at = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < at) return undefined;
  const size = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
  if (size > MAX_MESSAGE) throw new SocketFault(1009, "a message that is too long");
  const start = at + (masked ? 4 : 0);
  return { frame: { opcode, final, compressed, start, masked }, length: start + size };
}

/** What a frame carries, unmasked. */
export function payloadOf({ raw, start, masked }: Frame): Buffer {
  const payload = raw.subarray(start);
  return masked ? masking(payload, raw.subarray(start - 4, start)) : payload;
}

/** A frame of our own: a whole message, or a control frame. */
export function writeFrame(opcode: number, payload: Buffer, masked: boolean): Buffer {
  const { length } = payload;
  const at = length > 0xffff ? 10 : length > 125 ? 4 : 2;
  const head = Buffer.alloc(at);
  head[0] = 0x80 | opcode;
  head[1] = (masked ? 0x80 : 0) | (at === 10 ? 127 : at === 4 ? 126 : length);
  if (at === 4) head.writeUInt16BE(length, 2);
  if (at === 10) head.writeBigUInt64BE(BigInt(length), 2);
  if (!masked) return Buffer.concat([head, payload]);
  const key = randomBytes(4);
  return Buffer.concat([head, key, masking(payload, key)]);
}

export function writeClose(code: number, reason: string, masked: boolean): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return writeFrame(CLOSE, Buffer.concat([payload, Buffer.from(reason)]), masked);
}

function masking(payload: Buffer, key: Buffer): Buffer {
  const result = Buffer.allocUnsafe(payload.length);
  for (let at = 0; at < payload.length; at++) result[at] = (payload[at] as number) ^ (key[at & 3] as number);
  return result;
}
