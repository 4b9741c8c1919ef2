/** Whether a value is a native promise, of whichever realm: test runners such as Jest give each test file its own. */
export function isPromise(value: unknown): value is Promise<unknown> {
  if (value instanceof Promise) return true;
  return typeof value === "object" && value !== null && Object.prototype.toString.call(value) === "[object Promise]";
}

/** Whether a promise is of the language's own class and not of an SDK's subclass, whichever realm it is from. */
export function isPlainPromise(promise: Promise<unknown>): boolean {
  if (promise.constructor === Promise) return true;
  const prototype: unknown = Object.getPrototypeOf(promise);
  return Object.getPrototypeOf(Object.getPrototypeOf(prototype)) === null;
}
