import { constants, inflateRawSync } from "node:zlib";
import { type Frame, MAX_MESSAGE, payloadOf, SocketFault, TEXT } from "./frames.ts";

/** How both sides compress their messages: RFC 7692. */
export interface Compression {
  /** The vendor's messages refer to those before them. */
  readonly continued: boolean;
}

/** A whole message of one side. */
export interface Message {
  readonly frames: readonly Frame[];
  /** Undefined for bytes that are no JSON. */
  readonly text: string | undefined;
}

/**
 * Puts the data frames of one side together to messages.
 * @param continued Whether its compressed messages refer to those before them.
 * @returns Takes each frame, and gives the message that it ends. @throws SocketFault
 */
export function createMessageReader(continued: boolean): (frame: Frame) => Message | undefined {
  let frames: Frame[] = [];
  let size = 0;
  let before: Buffer | undefined;
  return (frame) => {
    if ((frame.opcode === 0) !== frames.length > 0) throw new SocketFault(1002, "a fragment out of its place");
    frames.push(frame);
    size += frame.raw.length;
    if (size > MAX_MESSAGE) throw new SocketFault(1009, "a message that is too long");
    if (!frame.final) return undefined;
    const [first] = frames as [Frame];
    let data = frames.length === 1 ? payloadOf(first) : Buffer.concat(frames.map(payloadOf));
    if (first.compressed) {
      data = inflate(data, before);
      if (continued) before = windowOf(before, data);
    }
    const message = { frames, text: first.opcode === TEXT || data[0] === BRACE ? data.toString() : undefined };
    frames = [];
    size = 0;
    return message;
  };
}

const BRACE = 123;
/** What the sender leaves out at the end of each message. */
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
/** How far back a message may refer. */
const WINDOW = 32 * 1024;

function inflate(data: Buffer, before: Buffer | undefined): Buffer {
  try {
    return inflateRawSync(Buffer.concat([data, TAIL]), {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: MAX_MESSAGE,
      ...(before !== undefined && { dictionary: before }),
    });
  } catch (error) {
    const long = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw long
      ? new SocketFault(1009, "a message that is too long")
      : new SocketFault(1007, "a message that cannot be read");
  }
}

/** A copy, so that the whole message is not kept. */
function windowOf(before: Buffer | undefined, data: Buffer): Buffer {
  const whole = before === undefined || data.length >= WINDOW ? data : Buffer.concat([before, data]);
  return Buffer.from(whole.subarray(-WINDOW));
}
