/** Makes a value when it is first asked for, so that a process which never asks does not pay for it at its start. */
export function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
