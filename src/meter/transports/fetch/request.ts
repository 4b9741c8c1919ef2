import { Readable } from "node:stream";
import type { RequestFacts } from "../../wire/formats/format.ts";
import { hasHeader, readHeader } from "../../wire/headers.ts";
import { askForUsage, askForUsageInBytes, factsOf, mayAskUsage, type Target } from "../../wire/target.ts";
import { codingOf, decoded } from "../bodies/coding.ts";
import { createPassingBody, factsLater, type PassingBody, passIterable, passStream } from "../bodies/passing-body.ts";
import { readAhead } from "../bodies/read-ahead.ts";

export type FetchInput = Parameters<typeof fetch>[0];
export type FetchInit = Parameters<typeof fetch>[1];

/** A `Request` of any fetch implementation. */
export function isRequest(input: unknown): input is Request {
  return typeof input === "object" && input !== null && "url" in input && "headers" in input && "method" in input;
}

/** The address of a request that is no plain string; undefined when there is none. */
export function addressOf(input: Exclude<FetchInput, string>): string | undefined {
  if (input instanceof URL) return input.href;
  if (isRequest(input)) return input.url;
  return input === undefined || input === null ? undefined : String(input);
}

/** The method, in upper case. */
export function methodOf(input: FetchInput, init: FetchInit): string {
  return (init?.method ?? (isRequest(input) ? input.method : "GET")).toUpperCase();
}

/** A request as it goes out, and its facts. */
export interface Outgoing {
  readonly input: FetchInput;
  readonly init: FetchInit;
  /** Known at once when the body is text or bytes; otherwise later, or undefined when it cannot be read. */
  readonly facts: RequestFacts | undefined | Promise<RequestFacts | undefined>;
  /** Facts that come later are only known once the request is being sent. */
  readonly sends?: true;
  /** We asked for usage that the caller did not ask for. */
  readonly asked: boolean;
  /** The body, or what it was changed to, with the question in it, where it has to be read first; undefined: as it is. Does not reject. */
  readonly ask?: (changed?: string) => Promise<Blob | Buffer<ArrayBuffer> | undefined>;
  /** The body of a `Blob` or a `Request`, once it is read. */
  readonly text?: () => string | undefined;
  /** A body that is read as it is sent, with the question at its end. */
  readonly passing?: PassingBody;
}

/** Reads the body without consuming or changing it. The only change is the question for usage, where allowed. */
export function readOutgoing(target: Target, input: FetchInput, init: FetchInit): Outgoing {
  if (target.facts !== undefined) return { input, init, facts: target.facts, asked: false };
  const body: unknown = init?.body ?? undefined;
  if (typeof body === "string") return readText(target, input, init, body);
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return readBytes(target, input, init, body);
  if (body instanceof Blob) return readBlob(target, input, init, body);
  if (body instanceof ReadableStream || isIterable(body)) return readStream(target, input, init, body);
  if (body === undefined && isRequest(input) && input.body !== null && !input.bodyUsed) {
    return readRequest(target, input, init);
  }
  return { input, init, facts: undefined, asked: false };
}

/** Whether a body may be asked in: a length that the caller says would be wrong then. */
function mayAskIn(target: Target, input: FetchInput, init: FetchInit): boolean {
  return mayAskUsage(target) && !hasHeader(headersOf(input, init), "content-length");
}

function readText(target: Target, input: FetchInput, init: FetchInit, body: string): Outgoing {
  const facts = factsOf(target, body);
  if (facts?.lacksUsage === true && mayAskIn(target, input, init)) {
    const asking = askForUsage(body, facts.hasStreamOptions === true);
    if (asking !== undefined) return { input, init: { ...init, body: asking }, facts, asked: true };
  }
  return { input, init, facts, asked: false };
}

function readBytes(target: Target, input: FetchInput, init: FetchInit, body: ArrayBuffer | ArrayBufferView): Outgoing {
  const given = ArrayBuffer.isView(body)
    ? new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
    : new Uint8Array(body);
  const name = readHeader(headersOf(input, init), "content-encoding");
  const coding = name === undefined ? undefined : codingOf(name);
  const bytes = coding === undefined ? given : decoded(coding, given);
  const facts = bytes && factsOf(target, new TextDecoder().decode(bytes));
  if (bytes !== undefined && facts?.lacksUsage === true && mayAskIn(target, input, init)) {
    const asking = askForUsageInBytes(bytes, facts.hasStreamOptions === true);
    if (asking !== undefined) {
      const sent = coding === undefined ? asking : coding.encode(asking);
      return { input, init: { ...init, body: sent as Uint8Array<ArrayBuffer> }, facts, asked: true };
    }
  }
  return { input, init, facts, asked: false };
}

function readBlob(target: Target, input: FetchInput, init: FetchInit, body: Blob): Outgoing {
  const read = readLater(body.text());
  const facts = read.done.then((seen) => factsOf(target, seen as string));
  const { text } = read;
  if (!mayAskIn(target, input, init)) return { input, init, facts, asked: false, text };
  const ask = async (changed?: string): Promise<Blob | undefined> => {
    const asking = await askLater(changed, read.done, facts);
    return asking === undefined ? undefined : new Blob([asking], { type: body.type });
  };
  return { input, init, facts, asked: false, ask, text };
}

function readRequest(target: Target, input: Request, init: FetchInit): Outgoing {
  const read = readLater(readCopy(input));
  const facts = read.done.then((seen) => (seen === undefined ? undefined : factsOf(target, seen)));
  const { text } = read;
  if (!mayAskIn(target, input, init)) return { input, init, facts, asked: false, text };
  const ask = async (changed?: string): Promise<Buffer<ArrayBuffer> | undefined> => {
    const asking = await askLater(changed, read.done, facts);
    if (asking === undefined) return undefined;
    // As after a fetch of it, the caller's request cannot be sent again.
    input.body?.cancel().catch(() => {});
    return Buffer.from(asking);
  };
  return { input, init, facts, asked: false, ask, text };
}

/** A text that comes later, and can be looked up once it is there. */
function readLater(text: Promise<string | undefined>): {
  readonly done: Promise<string | undefined>;
  readonly text: () => string | undefined;
} {
  let seen: string | undefined;
  const done = text.then((read) => {
    seen = read;
    return read;
  });
  return { done, text: () => seen };
}

/** The body with the question in it; undefined where it is not to be asked, or cannot be read. */
async function askLater(
  changed: string | undefined,
  text: Promise<string | undefined>,
  facts: Promise<RequestFacts | undefined>,
): Promise<string | undefined> {
  try {
    const read = await facts;
    return read?.lacksUsage === true
      ? askForUsage(changed ?? ((await text) as string), read.hasStreamOptions === true)
      : undefined;
  } catch {
    return undefined;
  }
}

function isIterable(body: unknown): body is AsyncIterable<unknown> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

function readStream(
  target: Target,
  input: FetchInput,
  init: FetchInit,
  body: ReadableStream<Uint8Array> | AsyncIterable<unknown>,
): Outgoing {
  // Fetch refuses a stream that is read already.
  const isLocked = body instanceof ReadableStream && body.locked;
  if (isLocked || Readable.isDisturbed(body as never)) return { input, init, facts: undefined, asked: false };
  const passing = createPassingBody(target, mayAskIn(target, input, init));
  const { facts, done } = factsLater(passing);
  const sent = body instanceof ReadableStream ? passStream(body, passing, done) : iterableLike(body, passing, done);
  return { input, init: { ...init, body: sent as never }, facts, sends: true, asked: false, passing };
}

function iterableLike(body: AsyncIterable<unknown>, passing: PassingBody, done: () => void): AsyncIterable<unknown> {
  const passed = passIterable(body, passing, done);
  return body instanceof Readable ? Readable.from(passed, { objectMode: false }) : passed;
}

/** How far a body that the caller streams is read ahead of its sending: below 1 MiB. */
const AHEAD = { maxBytes: 1024 * 1024 - 1, maxMs: 100 };

/**
 * The text of a request's body, from a copy: the body itself, unlike a response's, is the caller's to send whole, with
 * its length and source. A body of text or bytes comes in one piece, at once; undefined when one that is streamed is
 * long, late or broken, as its sending then shows to the caller.
 */
export async function readCopy(request: Request): Promise<string | undefined> {
  const reader = (request.clone().body as ReadableStream<Uint8Array>).getReader();
  const text = await readAhead(() => reader.read(), AHEAD);
  // The other branch of the body then takes no more than it sends.
  if (text === undefined) reader.cancel().catch(() => {});
  return text;
}

/** SDKs whose way of reading a body our tests cover; they identify themselves in a header. */
export function isForTestedSdk(input: FetchInput, init: FetchInit): boolean {
  return readHeader(headersOf(input, init), "x-stainless-lang") !== undefined;
}

export function headersOf(input: FetchInput, init: FetchInit): unknown {
  return init?.headers ?? (isRequest(input) ? input.headers : undefined);
}
