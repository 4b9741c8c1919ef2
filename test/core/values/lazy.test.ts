import { expect, test, vi } from "vitest";
import { lazy } from "../../../src/core/values/lazy.ts";

test.each([1, undefined, null])("%s is made at the first question, and once", (value) => {
  const make = vi.fn(() => value);
  const read = lazy(make);
  expect(make).not.toHaveBeenCalled();
  expect([read(), read()]).toEqual([value, value]);
  expect(make).toHaveBeenCalledOnce();
});

test("what could not be made is tried again", () => {
  let attempts = 0;
  const read = lazy(() => {
    attempts += 1;
    if (attempts === 1) throw new Error("not yet");
    return attempts;
  });
  expect(read).toThrow("not yet");
  expect(read()).toBe(2);
});
