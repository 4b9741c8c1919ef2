import type { Duplex } from "node:stream";
import type { Compression } from "./messages.ts";

/** The head of an answer, in the bytes of its lines. */
export interface AnswerHead {
  readonly status: number;
  /** Without the status line. */
  readonly lines: readonly string[];
  readonly statusLine: string;
  /** What came after it. */
  readonly rest: Buffer;
}

const MAX_HEAD = 64 * 1024;
const HEAD_MS = 60_000;
const END = "\r\n\r\n";

/** Reads the head of the answer to a handshake. Rejects where the server closes, takes a minute or says something else. */
export function readAnswerHead(server: Duplex): Promise<AnswerHead> {
  const { promise, resolve, reject } = Promise.withResolvers<AnswerHead>();
  let bytes = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk]);
    const end = bytes.indexOf(END);
    if (end >= 0) resolve(parseHead(bytes, end));
    else if (bytes.length > MAX_HEAD) reject(new Error("the head of the answer is too long"));
  };
  const onOver = (error?: Error): void => reject(error ?? new Error("the connection was closed"));
  const timer = setTimeout(() => reject(new Error("no answer within a minute")), HEAD_MS);
  server.on("data", onData).on("error", onOver).on("close", onOver).on("end", onOver);
  return promise.finally(() => {
    clearTimeout(timer);
    server.off("data", onData).off("error", onOver).off("close", onOver).off("end", onOver).pause();
  });
}

function parseHead(bytes: Buffer, end: number): AnswerHead {
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const status = Number(/^HTTP\/1\.\d (\d{3})/.exec(statusLine)?.[1] ?? 502);
  return { status, statusLine, lines, rest: bytes.subarray(end + END.length) };
}

/** The bytes of a head. `latin1`, as headers are. */
export function writeHead(first: string, lines: readonly string[]): Buffer {
  return Buffer.from([first, ...lines].join("\r\n") + END, "latin1");
}

const EXTENSIONS = "sec-websocket-extensions";
const DEFLATE = /^permessage-deflate(?:[\s;]|$)/i;

/** What can be read of a handshake's offers, in the headers of a request. */
export function readableOffers(name: string, value: string): string | undefined {
  if (name.toLowerCase() !== EXTENSIONS) return value;
  const offers = value.split(",").map((offer) => offer.trim());
  return offers.filter((offer) => DEFLATE.test(offer)).join(", ") || undefined;
}

/**
 * The lines of an answer that accepts, as the client gets them, and how messages are compressed. A client that compresses
 * each message by itself goes on being understood after one was refused, and is by any server.
 */
export function acceptedLines(lines: readonly string[]): {
  readonly lines: readonly string[];
  readonly compression: Compression | undefined;
} {
  const at = lines.findIndex((line) => line.toLowerCase().startsWith(`${EXTENSIONS}:`));
  const value = lines[at]?.slice(EXTENSIONS.length + 1).trim() ?? "";
  if (!DEFLATE.test(value)) return { lines, compression: undefined };
  const alone = /client_no_context_takeover/i.test(value) ? value : `${value}; client_no_context_takeover`;
  return {
    lines: lines.with(at, `${EXTENSIONS}: ${alone}`),
    compression: { continued: !/server_no_context_takeover/i.test(value) },
  };
}
