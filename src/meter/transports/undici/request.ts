import type { Faults } from "../../../core/faults.ts";
import type { RequestFacts } from "../../wire/formats/format.ts";
import { hasHeader, readHeader } from "../../wire/headers.ts";
import { askForUsageInBytes, factsOf, mayAskUsage, type Target } from "../../wire/target.ts";
import { codingOf, decoded } from "../bodies/coding.ts";
import type { PassingBody } from "../bodies/passing-body.ts";
import type { DispatchOptions } from "./dispatcher.ts";
import { readable, withoutLength, withValues } from "./headers.ts";
import { isNodeStream, isPieces, MAX_AHEAD, passPieces, readPieces, tapStream } from "./request-body.ts";

/** A request as it goes out, and its facts. */
export interface Outgoing {
  readonly options: DispatchOptions;
  readonly facts: RequestFacts | undefined | Promise<RequestFacts | undefined>;
  /** Facts that come later are only known once the request is being sent. */
  readonly sends?: true;
  /** We asked for usage that the caller did not ask for. */
  readonly asked: boolean;
  readonly passing?: PassingBody;
  /** The body of a `Blob`, or one that was read in pieces, once it is known. */
  readonly text?: () => string | undefined;
  /** The request once its body was read, which is before it is sent. Does not reject. */
  readonly later?: Promise<Outgoing>;
}

/** The codings that the package's functions, its `fetch` among them, would decode: an answer to a question of ours is read raw. */
const UNCODED = { "accept-encoding": "identity" };

/** Reads the body without consuming or changing it. The only change is the question for usage, where allowed. */
export function readOutgoing(target: Target, options: DispatchOptions, faults: Faults): Outgoing {
  if (target.facts !== undefined) return { options, facts: target.facts, asked: false };
  const { body } = options;
  if (typeof body === "string") return readBytes(target, options, Buffer.from(body), body);
  if (body instanceof ArrayBuffer) return readBytes(target, options, new Uint8Array(body));
  if (ArrayBuffer.isView(body)) {
    return readBytes(target, options, new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
  }
  if (body instanceof Blob) {
    let seen: string | undefined;
    const facts = body.text().then((text) => {
      seen = text;
      return factsOf(target, text);
    });
    return { options, facts, asked: false, text: () => seen };
  }
  if (isNodeStream(body)) {
    const { facts, passing } = tapStream(target, body);
    return { options, facts, passing, sends: true, asked: false };
  }
  if (isPieces(body)) return readPassing(target, options, body, faults);
  return { options, facts: undefined, asked: false };
}

function mayAskIn(target: Target, { headers }: DispatchOptions): boolean {
  return mayAskUsage(target) && !hasHeader(readable(headers), "content-length");
}

function readBytes(target: Target, options: DispatchOptions, given: Uint8Array, text?: string): Outgoing {
  const name = readHeader(readable(options.headers), "content-encoding");
  const coding = name === undefined ? undefined : codingOf(name);
  const bytes = coding === undefined ? given : decoded(coding, given);
  if (bytes === undefined) return { options, facts: undefined, asked: false };
  const facts = factsOf(target, coding === undefined && text !== undefined ? text : new TextDecoder().decode(bytes));
  if (facts?.lacksUsage === true && mayAskIn(target, options)) {
    const asking = askForUsageInBytes(bytes, facts.hasStreamOptions === true);
    if (asking !== undefined) {
      const body = coding === undefined ? asking : coding.encode(asking);
      return { options: { ...options, body, headers: uncoded(options.headers) }, facts, asked: true };
    }
  }
  return { options, facts, asked: false };
}

function uncoded(headers: unknown): unknown {
  return hasHeader(readable(headers), "accept-encoding") ? withValues(headers, UNCODED) : headers;
}

function readPassing(target: Target, options: DispatchOptions, body: AsyncIterable<unknown>, faults: Faults): Outgoing {
  const length = Number(readHeader(readable(options.headers), "content-length"));
  if (length <= MAX_AHEAD) {
    const { promise, resolve } = Promise.withResolvers<RequestFacts | undefined>();
    const later = readSized(target, options, body, faults).then((read) => {
      resolve(read.facts);
      return read;
    });
    return { options, facts: promise, asked: false, later };
  }
  const passed = passPieces(target, body, mayAskIn(target, options));
  const { facts, passing } = passed;
  return { options: { ...options, body: passed.body }, facts, passing, sends: true, asked: false };
}

/** A body of known length in pieces: the length of one with the question in it is known too. */
async function readSized(
  target: Target,
  options: DispatchOptions,
  given: AsyncIterable<unknown>,
  faults: Faults,
): Promise<Outgoing> {
  const { bytes, body } = await readPieces(given);
  const sent = { ...options, body };
  if (bytes === undefined) return { options: sent, facts: undefined, asked: false };
  try {
    const read = readBytes(target, { ...options, headers: withoutLength(options.headers) }, bytes);
    if (!read.asked) {
      return { options: sent, facts: read.facts, asked: false, text: () => new TextDecoder().decode(bytes) };
    }
    const asking = read.options.body as Uint8Array;
    const headers = withValues(options.headers, { ...UNCODED, "content-length": String(asking.byteLength) });
    return { ...read, options: { ...options, body: asking, headers } };
  } catch (error) {
    faults.report("request", error);
    return { options: sent, facts: undefined, asked: false };
  }
}
