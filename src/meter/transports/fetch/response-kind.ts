import { createOverlay } from "./overlay.ts";
import type { Bytes } from "./relay.ts";

/** A kind of response: what it does by itself, and the prototype that ours get instead. */
export interface Kind extends Natives {
  readonly overlay: object;
  /** Another object may stand in for such a response. */
  readonly standsIn: boolean;
}

export interface Natives {
  body(this: Response): Bytes | null;
  bodyUsed(this: Response): boolean;
}

type Replace = (name: PropertyKey, original: PropertyDescriptor, natives: Natives) => PropertyDescriptor | undefined;

const kinds = new WeakMap<object, Kind>();

/** The kind of a response; `replace` makes what ours have in place of a property. */
export function kindOf(response: Response, replace: Replace): Kind {
  const prototype = Object.getPrototypeOf(response) as object;
  let kind = kinds.get(prototype);
  if (kind === undefined) {
    const natives = {
      body: getterOf(prototype, "body"),
      bodyUsed: getterOf(prototype, "bodyUsed"),
    } as unknown as Natives;
    const overlay = createOverlay(prototype, (name, original) => replace(name, original, natives));
    kind = { ...natives, overlay, standsIn: isReadable(new Proxy(response, {}), natives) };
    kinds.set(prototype, kind);
    // The same response may come once more, or a clone of one of ours be returned.
    kinds.set(overlay, kind);
  }
  return kind;
}

/** Whether objects with this prototype are responses of ours. */
export function isKind(prototype: object): boolean {
  return kinds.get(prototype)?.overlay === prototype;
}

/** Objects with this prototype are of the kind of those with another, which it stands in front of. */
export function alias(prototype: object, of: object): void {
  const kind = kinds.get(of);
  if (kind !== undefined) kinds.set(prototype, kind);
}

function isReadable(response: Response, natives: Natives): boolean {
  try {
    natives.bodyUsed.call(response);
    return true;
  } catch {
    return false;
  }
}

function getterOf(prototype: object, name: string): () => unknown {
  for (let at: object | null = prototype; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found) return found.get ?? (() => found.value as unknown);
  }
  return () => undefined;
}
