import { spanOf } from "./otel-global.ts";
import type { OtelContext, OtelSpan } from "./otel-types.ts";
import { expireClaims } from "./span-claim.ts";
import { createStamp } from "./stamp.ts";

/**
 * A span knows its parent's id, not its parent: its ancestors are only known when it starts. So we join the
 * processors of the user's tracer provider, which is found in OpenTelemetry's global slot, at once or when it comes.
 */

const API = Symbol.for("opentelemetry.js.api.1");
const parents = createStamp<OtelSpan>();

/** The span around a span of this process, where it was seen to start. */
export function parentOf(span: OtelSpan): OtelSpan | undefined {
  return parents.get(span);
}

/** Of the SDKs 1.x and dd-trace the first, of later ones the second; the list is theirs, and may go away. */
interface TracerProvider {
  addSpanProcessor?(processor: object): void;
  readonly _activeSpanProcessor?: { _spanProcessors?: unknown };
}

interface Registered extends TracerProvider {
  getDelegate?(): TracerProvider;
  setDelegate?(provider: TracerProvider): void;
}

interface Slot {
  trace?: Registered;
}

const slots = globalThis as { [API]?: Slot };
const joined = new WeakSet<object>();

/** A processor that only observes. */
const onlooker = {
  onStart(span: OtelSpan, context: OtelContext): void {
    const parent = spanOf(context);
    if (parent !== undefined && parent !== span) parents.set(span, parent);
  },
  onEnding(): void {},
  onEnd(): void {},
  async forceFlush(): Promise<void> {
    expireClaims();
  },
  async shutdown(): Promise<void> {
    expireClaims();
  },
};

function join(provider: TracerProvider | undefined): void {
  if (provider === undefined || joined.has(provider)) return;
  joined.add(provider);
  if (typeof provider.addSpanProcessor === "function") provider.addSpanProcessor(onlooker);
  else {
    const active = provider._activeSpanProcessor;
    // Before the others, which are flushed after us; the list itself may be the user's.
    if (active && Array.isArray(active._spanProcessors)) {
      active._spanProcessors = [onlooker, ...active._spanProcessors];
    }
  }
}

/** Joins the provider that is registered now. Cheap when it is joined already. */
export function joinTracerProvider(): void {
  const registered = slots[API]?.trace;
  if (registered !== undefined) join(registered.getDelegate ? registered.getDelegate() : registered);
}

/**
 * Joins the provider as soon as it is registered: an agent may start in the same tick. The slot itself stays the
 * user's; it is only watched until it is filled. Returns a function that stops watching.
 * @param guard Swallows what is thrown: code that registers a provider must not be affected.
 */
export function watchTracerProvider(guard: (run: () => void) => void): () => void {
  let over = false;
  const undo: (() => void)[] = [];

  const arrived = (registered: Registered): void => {
    joinTracerProvider();
    const { setDelegate } = registered;
    if (over || setDelegate === undefined || Object.hasOwn(registered, "setDelegate")) return;
    // OpenTelemetry registers a proxy first, and sets its delegate later.
    registered.setDelegate = function (this: Registered, provider) {
      delete registered.setDelegate;
      setDelegate.call(this, provider);
      guard(joinTracerProvider);
    };
  };
  const lookAt = (api: Slot): void => {
    if (api.trace !== undefined) arrived(api.trace);
    else undo.push(whenSet(api, "trace", (registered) => guard(() => arrived(registered))));
  };
  const api = slots[API];
  if (api !== undefined) lookAt(api);
  else undo.push(whenSet(slots, API, (filled) => guard(() => lookAt(filled))));

  return () => {
    over = true;
    for (const step of undo) step();
  };
}

/** Reports the first value that a property is set to; from then on it is an ordinary property. */
function whenSet<Key extends PropertyKey, Value>(
  target: { [key in Key]?: Value },
  key: Key,
  tell: (value: Value) => void,
): () => void {
  const plain = { configurable: true, enumerable: true, writable: true };
  Object.defineProperty(target, key, {
    configurable: true,
    enumerable: false,
    get: () => undefined,
    set(value: Value) {
      Object.defineProperty(target, key, { ...plain, value });
      if (value !== undefined) tell(value);
    },
  });
  return () => {
    const own = Object.getOwnPropertyDescriptor(target, key);
    if (own?.get !== undefined && own.set !== undefined && target[key] === undefined) delete target[key];
  };
}
