import { type AbandonedCalls, endOf } from "../../call/abandoned-calls.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { createStamp } from "../../tracing/stamp.ts";
import { pullThrough } from "./pull-stream.ts";
import { isReadUnseen, standIn, tapStream } from "./tapped-stream.ts";

/** How the body of one response is watched. */
interface Watched {
  readonly call: OpenCall;
  /** The response is for an SDK whose ways of reading we know: its own stream can be tapped. */
  readonly tap: boolean;
  readonly abandoned: AbandonedCalls;
  /** Carries the pull-through stream once one is needed; then every way of reading goes through it. */
  holder: Response | undefined;
  /** The body's own stream is tapped: all reads are observed there. */
  tapped: boolean;
}

const watched = createStamp<Watched>();
const overlays = new WeakMap<object, object>();

/**
 * Overrides the read methods of the caller's own response, which keeps its identity, class and url.
 * Nothing is read that the caller does not read.
 */
export function watchResponse(response: Response, call: OpenCall, tap: boolean, abandoned: AbandonedCalls): Response {
  const state: Watched = { call, tap, abandoned, holder: undefined, tapped: false };
  watched.set(response, state);
  Object.setPrototypeOf(response, overlayOf(Object.getPrototypeOf(response) as object));
  abandoned.watch(response, call, "unread");
  return response;
}

function overlayOf(prototype: object): object {
  let overlay = overlays.get(prototype);
  if (overlay === undefined) {
    overlay = createOverlay(prototype);
    overlays.set(prototype, overlay);
  }
  return overlay;
}

type Whole = "text" | "json" | "arrayBuffer" | "bytes" | "blob" | "formData";

function createOverlay(prototype: object): object {
  const native = (name: string) =>
    // biome-ignore lint/suspicious/noExplicitAny: methods and getters of any fetch implementation
    prototype[name as never] as any;
  const getter = (name: string): ((this: Response) => unknown) => lookUp(prototype, name)?.get ?? (() => undefined);
  const bodyOf = getter("body") as (this: Response) => ReadableStream<Uint8Array> | null;
  const bodyUsedOf = getter("bodyUsed") as (this: Response) => boolean;
  const overlay = Object.create(prototype) as object;

  function define(name: string, descriptor: PropertyDescriptor): void {
    Object.defineProperty(overlay, name, { configurable: true, enumerable: false, ...descriptor });
  }

  function hold(response: Response, state: Watched): Response {
    if (state.holder) return state.holder;
    const body = bodyOf.call(response) as ReadableStream<Uint8Array>;
    const { status, statusText, headers } = response;
    const stream = state.tapped ? standIn(body) : pullThrough(body, state.call, response);
    const holder = likeConstructed(response, stream, { status, statusText, headers });
    state.holder = holder;
    state.abandoned.watch(stream, state.call, "unread");
    return holder;
  }

  define("body", {
    get(this: Response) {
      const state = watched.get(this);
      const body = state?.holder ? state.holder.body : bodyOf.call(this);
      if (!state || state.holder || body === null || bodyUsedOf.call(this)) return body;
      if (state.call.over && !state.tapped) return body;
      if (!state.tap || !state.call.stream) return hold(this, state).body;
      if (!state.tapped) {
        state.tapped = true;
        tapStream(body, state.call, state.abandoned);
        state.abandoned.watch(body, state.call, "unseen", isReadUnseen);
      }
      return body;
    },
  });

  define("bodyUsed", {
    get(this: Response) {
      const holder = watched.get(this)?.holder;
      return holder ? holder.bodyUsed : bodyUsedOf.call(this);
    },
  });

  define("clone", {
    value: function clone(this: Response) {
      const state = watched.get(this);
      const body = bodyOf.call(this);
      // A stream that was read through us is used; whether the response is, its holder knows.
      if (!state || body === null || (!state.holder && (bodyUsedOf.call(this) || body.locked))) {
        return native("clone").call(this);
      }
      return likeness(hold(this, state).clone(), this);
    },
  });

  for (const name of ["text", "json", "arrayBuffer", "bytes", "blob", "formData"] as const) {
    if (typeof native(name) !== "function") continue;
    define(name, {
      value: function (this: Response) {
        const state = watched.get(this);
        if (!state) return native(name).call(this);
        // What is read may not be what came: without a hidden frame, an event stream as JSON, anything as a form.
        const through = name === "formData" || (state.call.stream && (state.call.hides || name === "json"));
        if (through && !state.tapped && !state.call.over && !bodyUsedOf.call(this)) hold(this, state);
        if (state.holder) return (state.holder[name] as () => Promise<unknown>)();
        // A second read is rejected, which does not affect the first.
        const first = !bodyUsedOf.call(this);
        const result = native(name).call(this) as Promise<unknown>;
        if (first && !state.tapped && !state.call.settled) observe(result, name, state);
        return result;
      },
    });
  }
  return overlay;
}

/** Observes what the caller reads; the caller gets the very promise that the response gave. */
function observe(result: Promise<unknown>, how: Whole, { call, abandoned }: Watched): void {
  abandoned.forget(call);
  const read = (value: unknown): void | Promise<void> => {
    switch (how) {
      case "text":
      case "json":
        return call.body(value);
      case "arrayBuffer":
      case "bytes":
        return call.body(new TextDecoder().decode(value as Uint8Array));
      case "blob":
        return (value as Blob).text().then((text) => call.body(text));
    }
  };
  result.then(read, (error: unknown) => call.settle(endOf(error, call))).catch(() => call.settle({ type: "end" }));
}

/** A response of the same class, where that can be constructed as the standard says. */
function likeConstructed(response: Response, body: ReadableStream<Uint8Array>, init: ResponseInit): Response {
  try {
    return new (response.constructor as typeof Response)(body, init);
  } catch {
    return new Response(body, init);
  }
}

/** Gives a clone the address and the kind of the original. */
function likeness(clone: Response, of: Response): Response {
  const { url, redirected, type } = of;
  const copy = clone.clone;
  return Object.defineProperties(clone, {
    url: { value: url, configurable: true },
    redirected: { value: redirected, configurable: true },
    type: { value: type, configurable: true },
    clone: { value: () => likeness(copy.call(clone), of), configurable: true },
  });
}

function lookUp(prototype: object, name: string): PropertyDescriptor | undefined {
  for (let at: object | null = prototype; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found) return found;
  }
  return undefined;
}
