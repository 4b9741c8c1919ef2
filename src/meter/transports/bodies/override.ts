/** Methods of one object that ours stand in for. */
export interface Override {
  /** Puts the object's own methods back; one that other code has replaced since stays. */
  undo(): void;
}

/** Replaces a method of one object by one that looks like it: no listing of the object shows it. */
export function override<Name extends string>(
  target: Record<Name, (...args: never[]) => unknown>,
  name: Name,
  method: (this: unknown, ...args: never[]) => unknown,
): Override {
  const before = Object.getOwnPropertyDescriptor(target, name);
  const original = target[name];
  for (const shown of ["name", "length"] as const) {
    Object.defineProperty(method, shown, { value: original[shown], configurable: true });
  }
  Object.defineProperty(target, name, { value: method, configurable: true, writable: true, enumerable: false });
  return {
    undo() {
      if (target[name] !== method) return;
      if (before === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, before);
    },
  };
}
