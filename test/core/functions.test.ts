import { expect, test } from "vitest";
import { bind, onBlocked, onCall, SpendfuseError, wrapFetch } from "../../src/index.ts";

const TAKERS: Readonly<Record<string, (value: never) => unknown>> = { onCall, onBlocked, wrapFetch, bind };

test.each(
  Object.keys(TAKERS).flatMap((name) =>
    [3, "console.log", null, undefined, { call() {} }].map((value) => [name, value] as const),
  ),
)("%s(%j) is refused at once", (name, value) => {
  const take = (): unknown => TAKERS[name]?.(value as never);
  expect(take).toThrow(SpendfuseError);
  expect(take).toThrow(`${name}() takes a function, not ${value === null ? "null" : typeof value}`);
  expect(take).toThrow(expect.objectContaining({ code: "SPENDFUSE_USAGE", facts: { caller: name } }));
});
