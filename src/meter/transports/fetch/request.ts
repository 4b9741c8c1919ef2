import { Readable } from "node:stream";
import type { RequestFacts } from "../../wire/formats/format.ts";
import { hasHeader, readHeader } from "../../wire/headers.ts";
import { askForUsage, factsOf, RETRIEVAL, type Target } from "../../wire/target.ts";
import { readAhead } from "./read-ahead.ts";

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
  /** Known at once when the body is text; otherwise later, or undefined when it cannot be read. */
  readonly facts: RequestFacts | undefined | Promise<RequestFacts | undefined>;
  /** Facts that come later are only known once the request is being sent. */
  readonly sends?: true;
  /** We asked for usage that the caller did not ask for. */
  readonly asked: boolean;
}

/** Reads the body without consuming or changing it. The only change is the question for usage, where allowed. */
export function readOutgoing(target: Target, input: FetchInput, init: FetchInit, mayAsk: boolean): Outgoing {
  if (target.method === "GET") return { input, init, facts: RETRIEVAL, asked: false };
  const body: unknown = init?.body ?? undefined;
  if (typeof body === "string") {
    const facts = factsOf(target, body);
    if (facts?.lacksUsage === true && mayAsk && !hasHeader(init?.headers, "content-length")) {
      const question = askForUsage(body, facts.hasStreamOptions === true);
      if (question !== undefined) return { input, init: { ...init, body: question }, facts, asked: true };
    }
    return { input, init, facts, asked: false };
  }
  if (body instanceof Uint8Array || body instanceof ArrayBuffer) {
    return { input, init, facts: factsOf(target, new TextDecoder().decode(body)), asked: false };
  }
  if (body instanceof Blob) {
    return { input, init, facts: body.text().then((text) => factsOf(target, text)), asked: false };
  }
  if (body instanceof ReadableStream) {
    // Fetch refuses a stream that is read already.
    if (body.locked || Readable.isDisturbed(body as never)) return { input, init, facts: undefined, asked: false };
    const { stream, text } = copyText(body as ReadableStream<Uint8Array>);
    return {
      input,
      init: { ...init, body: stream },
      facts: text.then((seen) => (seen === undefined ? undefined : factsOf(target, seen))),
      sends: true,
      asked: false,
    };
  }
  if (body === undefined && isRequest(input) && input.body !== null && !input.bodyUsed) {
    const facts = readCopy(input).then((text) => (text === undefined ? undefined : factsOf(target, text)));
    return { input, init, facts, asked: false };
  }
  return { input, init, facts: undefined, asked: false };
}

/** How far a body that the caller streams is read ahead of its sending: below 1 MiB. */
const AHEAD = { maxBytes: 1024 * 1024 - 1, maxMs: 100 };

/**
 * The text of a request's body, from a copy: the body itself, unlike a response's, is the caller's to send whole, with
 * its length and source. A body of text or bytes comes in one piece, at once; undefined when one that is streamed is
 * long, late or broken, as its sending then shows to the caller.
 */
async function readCopy(request: Request): Promise<string | undefined> {
  const reader = (request.clone().body as ReadableStream<Uint8Array>).getReader();
  const text = await readAhead(() => reader.read(), AHEAD);
  // The other branch of the body then takes no more than it sends.
  if (text === undefined) reader.cancel().catch(() => {});
  return text;
}

/** Passes a request's body stream on, keeping a copy of its text as far as that is kept. */
function copyText(body: ReadableStream<Uint8Array>): {
  stream: ReadableStream<Uint8Array>;
  text: Promise<string | undefined>;
} {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let seen: string | undefined = "";
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read().catch((error: unknown) => {
          resolve(seen);
          throw error;
        });
        if (done) {
          resolve(seen === undefined ? undefined : seen + decoder.decode());
          controller.close();
          return;
        }
        if (value instanceof Uint8Array && seen !== undefined) {
          seen = seen.length > MAX_COPY ? undefined : seen + decoder.decode(value, { stream: true });
        }
        controller.enqueue(value);
      },
      cancel(reason) {
        resolve(seen);
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, text: promise };
}

/** Characters of a streamed request that are kept to be read. */
const MAX_COPY = 16 * 1024 * 1024;

/** SDKs whose way of reading a body our tests cover; they identify themselves in a header. */
export function isForTestedSdk(input: FetchInput, init: FetchInit): boolean {
  return readHeader(headersOf(input, init), "x-stainless-lang") !== undefined;
}

export function headersOf(input: FetchInput, init: FetchInit): unknown {
  return init?.headers ?? (isRequest(input) ? input.headers : undefined);
}
