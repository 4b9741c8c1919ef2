/**
 * A prototype in front of another, with some of its properties in place of the original's: for single objects, so that
 * no other object of the kind is touched. Seen from outside its properties have the flags, names, lengths and order of
 * the original's.
 * @param replace Makes what stands in for a property; undefined keeps the property.
 */
export function createOverlay(
  prototype: object,
  replace: (name: PropertyKey, original: PropertyDescriptor) => PropertyDescriptor | undefined,
): object {
  const overlay = Object.create(prototype) as object;
  for (const [name, original] of propertiesOf(prototype)) {
    const ours = replace(name, original);
    // Those that are enumerated are all there, because their order shows.
    if (ours === undefined && original.enumerable !== true) continue;
    const descriptor = { ...original, ...ours };
    for (const part of ["value", "get"] as const) disguise(descriptor[part], original[part]);
    Object.defineProperty(overlay, name, descriptor);
  }
  return overlay;
}

/** What objects of this prototype inherit, but for what all objects do. */
function propertiesOf(prototype: object): Map<PropertyKey, PropertyDescriptor> {
  const found = new Map<PropertyKey, PropertyDescriptor>();
  for (let at: object | null = prototype; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    if (at === Object.prototype) break;
    for (const name of Reflect.ownKeys(at)) {
      if (!found.has(name)) found.set(name, Object.getOwnPropertyDescriptor(at, name) as PropertyDescriptor);
    }
  }
  return found;
}

function disguise(ours: unknown, original: unknown): void {
  if (typeof ours !== "function" || typeof original !== "function" || ours === original) return;
  for (const shown of ["name", "length"] as const) {
    const descriptor = Object.getOwnPropertyDescriptor(original, shown);
    if (descriptor !== undefined) Object.defineProperty(ours, shown, descriptor);
  }
}

/** A getter as a class has it, and no constructor. */
export function accessor(name: string, read: (this: Response) => unknown): () => unknown {
  const holder = {
    get [name](): unknown {
      return read.call(this as never);
    },
  };
  return Object.getOwnPropertyDescriptor(holder, name)?.get as () => unknown;
}
