import { isProxy } from "node:util/types";
import type { FetchInit, FetchInput } from "./request.ts";

/** The members of a request's options that we read, in the order in which fetch does. */
const READ = ["body", "headers", "method", "signal"] as const;

/** Options and headers of which a member has thrown, as it will for fetch. */
const broken = new WeakSet<object>();

/**
 * The caller's options, each of whose members is evaluated once though both we and fetch read it. Options that are
 * plain data, as nearly all are, come back as they are.
 */
export function evaluatedOnce(init: FetchInit): FetchInit {
  if (typeof init !== "object" || init === null) return init;
  if (isPlain(init, READ) && isRereadable(init.headers)) return init;
  const remembered = remember(init);
  try {
    for (const name of READ) {
      const value: unknown = remembered[name];
      if (name === "headers" && typeof value === "object" && value !== null && isBroken(value)) broken.add(remembered);
    }
  } catch {
    broken.add(remembered);
  }
  return remembered;
}

/** Whether fetch will reject these options with the caller's own error. */
export function isBroken(init: object): boolean {
  return broken.has(init);
}

/** The address, evaluated once where that runs code of the caller's. */
export function inputOnce(input: FetchInput): FetchInput {
  if (typeof input !== "object" || input === null || "url" in input || "href" in input) return input;
  if ((input as object).toString === Object.prototype.toString) return input;
  try {
    return String(input);
  } catch (error) {
    return { toString: () => rethrow(error) } as unknown as string;
  }
}

/** Whether reading these members runs no code of the caller's. */
function isPlain(value: object, names: readonly string[]): boolean {
  if (isProxy(value)) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const name of names) if (Object.getOwnPropertyDescriptor(value, name)?.get !== undefined) return false;
  return true;
}

/** Whether headers can be read again: an iterator cannot, and the members of an object may run code of the caller's. */
function isRereadable(headers: unknown): boolean {
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) return true;
  if (typeof (headers as { get?: unknown }).get === "function") return true;
  return !(Symbol.iterator in headers) && isPlain(headers, Object.keys(headers));
}

type Evaluated = { readonly value: unknown } | { readonly error: unknown };

/** Evaluates each member at most once, and returns or throws the same again. */
function remember<T extends object>(target: T): T {
  const known = new Map<PropertyKey, Evaluated>();
  return new Proxy(target, {
    get(_, name) {
      let found = known.get(name);
      if (found === undefined) {
        found = evaluate(target, name);
        known.set(name, found);
      }
      return "error" in found ? rethrow(found.error) : found.value;
    },
  });
}

function evaluate(target: object, name: PropertyKey): Evaluated {
  try {
    const value: unknown = Reflect.get(target, name);
    return { value: name === "headers" && !isRereadable(value) ? rereadable(value as object) : value };
  } catch (error) {
    return { error };
  }
}

/** An error of the caller's is thrown again to whoever reads the copy. */
function rereadable(headers: object): unknown {
  if (!(Symbol.iterator in headers)) return remember(headers);
  const pairs: unknown[] = [];
  try {
    for (const pair of headers as Iterable<unknown>) pairs.push(pair);
    return pairs;
  } catch (error) {
    return failing(pairs, error);
  }
}

function failing(pairs: readonly unknown[], error: unknown): Iterable<unknown> {
  const headers = {
    *[Symbol.iterator]() {
      yield* pairs;
      throw error;
    },
  };
  broken.add(headers);
  return headers;
}

function rethrow(error: unknown): never {
  throw error;
}
