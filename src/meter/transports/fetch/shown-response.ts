import { createStamp } from "../../tracing/stamp.ts";
import { accessor, createOverlay } from "./overlay.ts";
import { alias, isKind } from "./response-kind.ts";

/** What a response shows in place of its own. */
interface Shown {
  readonly url?: string;
  readonly redirected?: boolean;
  readonly type?: ResponseType;
  readonly headers?: Headers;
}

const shown = createStamp<Shown>();

/** Shows other headers than the response has. */
export function showHeaders(response: Response, headers: Headers): void {
  show(response, { headers });
}

function show(response: Response, instead: Shown): void {
  shown.set(response, instead);
  Object.setPrototypeOf(response, showing(Object.getPrototypeOf(response) as object));
}

/** For responses that show something else than they are: few, so that the others' getters are the runtime's own. */
function showing(prototype: object): object {
  let overlay = showings.get(prototype);
  if (overlay === undefined) {
    const isWatched = isKind(prototype);
    overlay = createOverlay(prototype, (name, { get, value }) => {
      if (name === "clone" && !isWatched) return { value: shownClone(value as Response["clone"]) };
      return get !== undefined && SHOWN.has(name) ? { get: shownGetter(name as keyof Shown, get) } : undefined;
    });
    showings.set(prototype, overlay);
    alias(overlay, prototype);
  }
  return overlay;
}

function shownClone(native: Response["clone"]): Response["clone"] {
  const { clone } = {
    clone(this: Response): Response {
      return likeness(native.call(this), this);
    },
  };
  return clone;
}

const showings = new WeakMap<object, object>();
const SHOWN: ReadonlySet<PropertyKey> = new Set(["url", "redirected", "type", "headers"]);

function shownGetter(name: keyof Shown, native: () => unknown): () => unknown {
  return accessor(name, function (this: Response) {
    const instead = typeof this === "object" && this !== null ? shown.get(this)?.[name] : undefined;
    return instead === undefined ? native.call(this) : instead;
  });
}

/** A clone that shows what the original shows; `constructed`: it was made of a response that we constructed. */
export function likeness(clone: Response, of: Response, constructed = false): Response {
  const { url, redirected, type } = of;
  const instead = constructed ? { url, redirected, type } : shown.get(of);
  if (instead !== undefined) show(clone, instead);
  return clone;
}
