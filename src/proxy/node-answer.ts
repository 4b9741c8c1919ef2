import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { READ_AT_ONCE } from "../meter/transports/bodies/node-body.ts";
import { createDecoded } from "./decoded.ts";

/** An answer whose body is a Node stream, as far as the meter and the proxy read one. */
export interface NodeAnswer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: {
    get(name: string): string | null;
    has(name: string): boolean;
  };
  /** Names and values in turn, as they were sent; of a decoded body without its coding and length. */
  readonly rawHeaders: readonly string[];
  readonly body: Readable;
  /** What the body comes from. */
  readonly message: IncomingMessage;
}

/** @param early Its last bytes may be passed on before its call is settled. */
export function answerOf(message: IncomingMessage, early: boolean): NodeAnswer {
  const { statusCode = 502, statusMessage = "", headers, rawHeaders } = message;
  const decoded = createDecoded(message, headers["content-encoding"] ?? "");
  const body = decoded ?? message;
  if (early) Object.defineProperty(body, READ_AT_ONCE, { value: true });
  return {
    status: statusCode,
    statusText: statusMessage,
    headers: {
      get(name) {
        const value = headers[name.toLowerCase()];
        return typeof value === "string" ? value : (value?.join(", ") ?? null);
      },
      has: (name) => headers[name.toLowerCase()] !== undefined,
    },
    rawHeaders: decoded === undefined ? rawHeaders : withoutCoding(rawHeaders),
    body,
    message,
  };
}

function withoutCoding(raw: readonly string[]): readonly string[] {
  return raw.filter((_, at) => !/^content-(?:encoding|length)$/i.test(raw[at - (at % 2)] as string));
}
