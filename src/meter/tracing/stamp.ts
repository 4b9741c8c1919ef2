/** Attaches a value to a foreign object: invisible to other code, and collected with the object. */
export interface Stamp<Value> {
  get(target: object): Value | undefined;
  set(target: object, value: Value): void;
}

/**
 * A private field added to the object: a WeakMap does the same, but each of its entries costs the garbage collector
 * more than all else that we keep of a call.
 */
export function createStamp<Value>(): Stamp<Value> {
  class Field extends Itself {
    #value: Value | undefined;

    static get(target: object): Value | undefined {
      return #value in target ? target.#value : undefined;
    }

    static set(target: object, value: Value): void {
      if (!(#value in target)) new Field(target);
      (target as Field).#value = value;
    }
  }
  return Field;
}

/** A constructor that makes nothing: a subclass adds its fields to the given object. */
const Itself = function Itself(target: object) {
  return target;
} as unknown as new (
  target: object,
) => object;
