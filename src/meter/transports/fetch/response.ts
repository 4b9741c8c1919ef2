import { Readable } from "node:stream";
import { type AbandonedCalls, endOf } from "../../call/abandoned-calls.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { createStamp } from "../../tracing/stamp.ts";
import { accessor } from "./overlay.ts";
import { type Bytes, openRelay, type Relay } from "./relay.ts";
import { type Kind, kindOf, type Natives } from "./response-kind.ts";
import { likeness } from "./shown-response.ts";
import { allowTaps } from "./taps.ts";

/** How the body of one response is watched. */
interface Watched {
  readonly call: OpenCall;
  readonly abandoned: AbandonedCalls;
  readonly kind: Kind;
  /** The response is for an SDK whose way of reading streams we know. */
  readonly iterates: boolean;
  /** What the caller reads in place of the body, once it has asked for that or the body was read ahead. */
  relay: Relay | undefined;
  /** A response with the relay as its body, once one is needed; every way of reading goes through it then. */
  holder: Response | undefined;
}

const watched = createStamp<Watched>();
/** By the body: up to Node 22 an object that stands in for a response, such as a proxy, can be read as well. Weak,
 * because the connection holds the body. */
const watchedBodies = createStamp<WeakRef<Watched>>();

/**
 * Watches the caller's own response, which keeps its identity, class and properties. Nothing is read that the caller
 * does not read.
 */
export function watchResponse(response: Response, call: OpenCall, iterates: boolean, abandoned: AbandonedCalls): void {
  watch(response, call, iterates, abandoned);
  abandoned.watch(response, call, isReadUnseen);
}

/** Watches a response whose body is about to be read ahead: the caller gets what was read when it reads. */
export function relayResponse(response: Response, call: OpenCall, abandoned: AbandonedCalls): Relay {
  const state = watch(response, call, false, abandoned);
  state.relay = openRelay(state.kind.body.call(response) as Bytes, call, response);
  return state.relay;
}

function watch(response: Response, call: OpenCall, iterates: boolean, abandoned: AbandonedCalls): Watched {
  const kind = kindOf(response, replacementOf);
  const state: Watched = { call, abandoned, kind, iterates, relay: undefined, holder: undefined };
  watched.set(response, state);
  Object.setPrototypeOf(response, kind.overlay);
  const body = kind.standsIn ? kind.body.call(response) : null;
  if (body !== null) watchedBodies.set(body, new WeakRef(state));
  return state;
}

/** Whether a response was read by a method that is not ours. */
function isReadUnseen(response: object): boolean {
  const state = watched.get(response);
  return state !== undefined && state.relay === undefined && state.kind.bodyUsed.call(response as Response);
}

const WHOLE = ["text", "json", "arrayBuffer", "bytes", "blob", "formData"] as const;
type Whole = (typeof WHOLE)[number];

function replacementOf(
  name: PropertyKey,
  { get, value }: PropertyDescriptor,
  natives: Natives,
): PropertyDescriptor | undefined {
  if (typeof name !== "string") return undefined;
  if (name === "body") return get && { get: bodyGetter(get as Natives["body"], natives) };
  if (name === "bodyUsed") return get && { get: bodyUsedGetter(get as Natives["bodyUsed"], natives) };
  if (typeof value !== "function") return undefined;
  if (name === "clone") return { value: cloneMethod(value as Response["clone"], natives) };
  if (name === "textStream") return { value: textStreamMethod(value as TextStream, natives) };
  if ((WHOLE as readonly string[]).includes(name)) return { value: wholeMethod(name as Whole, value as Read, natives) };
  return undefined;
}

type Read = (this: Response) => Promise<unknown>;

function bodyGetter(native: Natives["body"], { bodyUsed }: Natives): () => unknown {
  return accessor("body", function (this: Response) {
    const state = stateOf(this, native);
    if (state === undefined) return native.call(this);
    if (state.holder !== undefined) return state.holder.body;
    if (state.relay !== undefined) return state.relay.stream;
    const body = native.call(this);
    return body === null || state.call.over || bodyUsed.call(this) ? body : relay(this, state, body).stream;
  });
}

function bodyUsedGetter(native: Natives["bodyUsed"], { body }: Natives): () => unknown {
  return accessor("bodyUsed", function (this: Response) {
    const state = stateOf(this, body);
    if (state?.holder !== undefined) return state.holder.bodyUsed;
    return state?.relay === undefined ? native.call(this) : Readable.isDisturbed(state.relay.stream as never);
  });
}

function cloneMethod(native: Response["clone"], { body: bodyOf, bodyUsed }: Natives): Response["clone"] {
  const { clone } = {
    clone(this: Response): Response {
      const state = stateOf(this, bodyOf);
      if (state === undefined) return native.call(this);
      if (state.relay === undefined) {
        const body = bodyOf.call(this);
        if (body === null || body.locked || bodyUsed.call(this)) return native.call(this);
        relay(this, state, body);
      }
      const holder = holderOf(this, state);
      return holder === undefined ? native.call(this) : likeness(holder.clone(), this, true);
    },
  };
  return clone;
}

function wholeMethod(name: Whole, native: Read, { body: bodyOf, bodyUsed }: Natives): Read {
  const { [name]: method } = {
    [name](this: Response): Promise<unknown> {
      const state = stateOf(this, bodyOf);
      if (state === undefined) return native.call(this);
      const { call } = state;
      const first = state.relay === undefined && !bodyUsed.call(this);
      // What is read may not be what came: a form, an event stream without a hidden frame, or one that is cut.
      if (first && !call.over && (name === "formData" || call.stream)) {
        const body = bodyOf.call(this);
        if (body !== null && !body.locked) relay(this, state, body);
      }
      if (state.relay !== undefined) return readRelay(this, state, native, name);
      const result = native.call(this);
      // A second read is rejected, which does not affect the first.
      return first && !call.settled ? watchRead(result, name, state) : result;
    },
  } as Record<Whole, Read>;
  return method;
}

/** Of Node 26 and Bun: the body as a stream of text. */
type TextStream = (this: Response) => ReadableStream<string>;

function textStreamMethod(native: TextStream, { body: bodyOf, bodyUsed }: Natives): TextStream {
  const { textStream } = {
    textStream(this: Response): ReadableStream<string> {
      const state = stateOf(this, bodyOf);
      if (state === undefined) return native.call(this);
      if (state.relay === undefined && !state.call.over) {
        const body = bodyOf.call(this);
        if (body !== null && !body.locked && !bodyUsed.call(this)) relay(this, state, body);
      }
      const holder = state.relay === undefined ? undefined : holderOf(this, state);
      return native.call(holder ?? this);
    },
  };
  return textStream;
}

function readRelay(response: Response, state: Watched, native: Read, name: Whole): Promise<unknown> {
  const holder = holderOf(response, state);
  return holder === undefined ? native.call(response) : (holder[name] as () => Promise<unknown>)();
}

function stateOf(response: unknown, bodyOf: Natives["body"]): Watched | undefined {
  if (typeof response !== "object" || response === null) return undefined;
  const state = watched.get(response);
  if (state !== undefined) return state;
  try {
    const body = bodyOf.call(response as Response);
    return body === null ? undefined : watchedBodies.get(body)?.deref();
  } catch {
    return undefined;
  }
}

function relay(response: Response, state: Watched, body: Bytes): Relay {
  const { call, abandoned, iterates } = state;
  const made = openRelay(body, call, response);
  if (iterates && call.stream) allowTaps(made);
  abandoned.watch(made.stream, call);
  state.relay = made;
  return made;
}

/** Undefined once the body is being read: then the response's own body is locked too, so that it refuses as such. */
function holderOf(response: Response, state: Watched): Response | undefined {
  if (state.holder !== undefined) return state.holder;
  const { stream, source } = state.relay as Relay;
  if (stream.locked || Readable.isDisturbed(stream as never)) {
    source.lock();
    return undefined;
  }
  const { status, statusText, headers } = response;
  state.holder = likeConstructed(response, stream, { status, statusText, headers });
  return state.holder;
}

/**
 * Observes what the caller reads. Awaited, not by a second reaction on the promise: with two of them the engine leaves
 * the caller out of an error's stack.
 */
async function watchRead(result: Promise<unknown>, how: Whole, { call, abandoned }: Watched): Promise<unknown> {
  abandoned.forget(call);
  let value: unknown;
  try {
    value = await result;
  } catch (error) {
    call.settle(endOf(error, call));
    throw error;
  }
  if (how === "blob") {
    const read = (text: string): void => call.body(text);
    (value as Blob).text().then(read, () => call.settle({ type: "end" }));
  } else call.body(value instanceof ArrayBuffer ? new Uint8Array(value) : value);
  return value;
}

/** A response of the same class, where that can be constructed as the standard says. */
function likeConstructed(response: Response, body: Bytes, init: ResponseInit): Response {
  try {
    return new (response.constructor as typeof Response)(body, init);
  } catch {
    return new Response(body, init);
  }
}
