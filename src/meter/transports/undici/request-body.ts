import type { EventEmitter } from "node:events";
import type { RequestFacts } from "../../wire/formats/format.ts";
import type { Target } from "../../wire/target.ts";
import { createPassingBody, factsLater, type PassingBody, passIterable } from "../bodies/passing-body.ts";

export type NodeStream = EventEmitter & { destroy(): void };

export function isNodeStream(body: unknown): body is NodeStream {
  if (typeof body !== "object" || body === null) return false;
  const { pipe, on, destroy } = body as { readonly pipe?: unknown; readonly on?: unknown; readonly destroy?: unknown };
  return typeof pipe === "function" && typeof on === "function" && typeof destroy === "function";
}

/** What undici sends piece by piece, and is no Node stream. */
export function isPieces(body: unknown): body is AsyncIterable<unknown> {
  if (typeof body !== "object" || body === null || isFormData(body)) return false;
  return Symbol.asyncIterator in body || Symbol.iterator in body;
}

function isFormData(body: object): boolean {
  const { append, getAll } = body as Partial<FormData>;
  return typeof append === "function" && typeof getAll === "function";
}

/** A body that is read as it is sent, and its facts then. */
export interface PassingRequest {
  readonly body: unknown;
  readonly facts: Promise<RequestFacts | undefined>;
  readonly passing: PassingBody;
}

/** Reads a Node stream by the events with which undici sends it; the stream itself is sent, with its length and state. */
export function tapStream(target: Target, body: NodeStream): PassingRequest {
  const passing = createPassingBody(target, false);
  const { facts, done } = factsLater(passing);
  const emit = body.emit;
  Object.defineProperty(body, "emit", {
    configurable: true,
    writable: true,
    value(this: NodeStream, ...args: Parameters<NodeStream["emit"]>): boolean {
      const [name, chunk] = args;
      if (name === "data") passing.pass(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
      else if (name === "end" || name === "error" || name === "close") {
        Reflect.deleteProperty(body, "emit");
        passing.end();
        done();
      }
      return Reflect.apply(emit, this, args);
    },
  });
  return { body, facts, passing };
}

/** Passes the pieces on, no faster than they are sent. `mayAsk`: with the question for usage at their end. */
export function passPieces(target: Target, body: AsyncIterable<unknown>, mayAsk: boolean): PassingRequest {
  const passing = createPassingBody(target, mayAsk);
  const { facts, done } = factsLater(passing);
  return { body: passIterable(body, passing, done), facts, passing };
}

/** Pieces that were read before they are sent. */
export interface Ahead {
  /** All of them; undefined where there were too many, or one was no bytes. */
  readonly bytes: Buffer | undefined;
  /** What is sent: the pieces as they came, and what follows them, or the error that did. */
  readonly body: AsyncIterable<unknown>;
}

/** The longest body that is held in memory before it is sent. */
export const MAX_AHEAD: number = 1024 * 1024;

/** Reads the pieces of a body whose length was given: the package's `fetch` hands over every body in pieces. */
export async function readPieces(body: AsyncIterable<unknown>): Promise<Ahead> {
  const source = iteratorOf(body);
  const pieces: unknown[] = [];
  let size = 0;
  let failed: { readonly error: unknown } | undefined;
  let ended = false;
  try {
    while (size <= MAX_AHEAD) {
      const { done, value } = await source.next();
      if (done === true) {
        ended = true;
        break;
      }
      pieces.push(value);
      if (!(value instanceof Uint8Array)) break;
      size += value.byteLength;
    }
  } catch (error) {
    failed = { error };
  }
  const bytes = ended ? Buffer.concat(pieces as Uint8Array[]) : undefined;
  return { bytes, body: replay(pieces, source, ended, failed) };
}

async function* replay(
  pieces: readonly unknown[],
  source: AsyncIterator<unknown>,
  ended: boolean,
  failed: { readonly error: unknown } | undefined,
): AsyncGenerator<unknown> {
  yield* pieces;
  if (failed !== undefined) throw failed.error;
  if (!ended) yield* { [Symbol.asyncIterator]: () => source };
}

function iteratorOf(body: AsyncIterable<unknown>): AsyncIterator<unknown> {
  if (Symbol.asyncIterator in body) return body[Symbol.asyncIterator]();
  const source = (body as Iterable<unknown>)[Symbol.iterator]();
  return { next: async () => source.next() };
}
