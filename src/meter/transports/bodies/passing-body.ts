import type { RequestFacts } from "../../wire/formats/format.ts";
import { factsOf, type Target, USAGE_QUESTION } from "../../wire/target.ts";

const BRACE = 125;
const EMPTY: Uint8Array = new Uint8Array(0);
/** Characters of a streamed request that are kept to be read. */
const MAX_COPY = 16 * 1024 * 1024;

/** Reads a request's body as it is sent. */
export interface PassingBody {
  /** Takes the next chunk, and returns what is sent of it now: nothing, where all of it may have to wait. */
  pass(chunk: Uint8Array): Uint8Array;
  /** The body ended: returns what was held back, with the question for usage where it was asked. */
  end(): Uint8Array;
  /** What has been read so far, once the body has ended or broken. @throws what the format throws */
  facts(): RequestFacts | undefined;
  /** The body as it was given; undefined for a long one. */
  text(): string | undefined;
  /** Whether the question may still be put. */
  mayAsk: boolean;
  /** Whether the question was put. */
  readonly asked: boolean;
}

/** `mayAsk`: the last brace and what follows it are held back to the end, so that the question can be put before it. */
export function createPassingBody(target: Target, mayAsk: boolean): PassingBody {
  const decoder = new TextDecoder();
  let seen: string | undefined = "";
  let held = EMPTY;
  let asked = false;

  function facts(): RequestFacts | undefined {
    return seen === undefined ? undefined : factsOf(target, seen);
  }

  const body: PassingBody = {
    pass(chunk) {
      if (seen !== undefined) {
        seen = seen.length > MAX_COPY ? undefined : seen + decoder.decode(chunk, { stream: true });
      }
      if (!mayAsk) return chunk;
      const brace = chunk.lastIndexOf(BRACE);
      if (brace < 0 && isBlank(chunk)) {
        held = Buffer.concat([held, chunk]);
        return EMPTY;
      }
      const at = brace < 0 ? chunk.length : brace;
      const sent = held.length === 0 ? chunk.subarray(0, at) : Buffer.concat([held, chunk.subarray(0, at)]);
      held = chunk.slice(at);
      return sent;
    },
    end() {
      if (seen !== undefined) seen += decoder.decode();
      if (held.length === 0) return EMPTY;
      if (!body.mayAsk || !isAskable(facts)) return held;
      asked = true;
      return Buffer.concat([Buffer.from(USAGE_QUESTION), held]);
    },
    facts,
    text: () => seen,
    mayAsk,
    get asked() {
      return asked;
    },
  };
  return body;
}

/** The facts of a body that passes, once `done` says that it has ended or broken. */
export function factsLater(passing: PassingBody): { facts: Promise<RequestFacts | undefined>; done: () => void } {
  const { promise, resolve, reject } = Promise.withResolvers<RequestFacts | undefined>();
  const done = (): void => {
    try {
      resolve(passing.facts());
    } catch (error) {
      reject(error);
    }
  };
  return { facts: promise, done };
}

/** Passes a request's body stream on, no faster than it is sent. `done`: it has ended or broken. */
export function passStream(
  body: ReadableStream<Uint8Array>,
  passing: PassingBody,
  done: () => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          const next = await reader.read().catch((error: unknown) => {
            done();
            throw error;
          });
          const sent = next.done ? passing.end() : passed(next.value, passing);
          if (sent.length > 0) controller.enqueue(sent);
          if (next.done) {
            done();
            controller.close();
          }
          if (next.done || sent.length > 0) return;
        }
      },
      cancel(reason) {
        done();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** The same for a Node stream and other iterables, which some implementations of fetch take. */
export async function* passIterable(
  body: AsyncIterable<unknown>,
  passing: PassingBody,
  done: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) {
      const sent = passed(typeof chunk === "string" ? Buffer.from(chunk) : (chunk as Uint8Array), passing);
      if (sent.length > 0) yield sent;
    }
    const rest = passing.end();
    if (rest.length > 0) yield rest;
  } finally {
    done();
  }
}

/** What is no chunk of bytes is for fetch to refuse. */
function passed(chunk: Uint8Array, passing: PassingBody): Uint8Array {
  return chunk instanceof Uint8Array ? passing.pass(chunk) : chunk;
}

/** Options that have been sent cannot be added to. A fault of ours is not the sender's. */
function isAskable(facts: PassingBody["facts"]): boolean {
  try {
    const read = facts();
    return read?.lacksUsage === true && read.hasStreamOptions !== true;
  } catch {
    return false;
  }
}

/** Only white space, as JSON has it. */
function isBlank(chunk: Uint8Array): boolean {
  return chunk.every((byte) => byte === 32 || byte === 10 || byte === 13 || byte === 9);
}
