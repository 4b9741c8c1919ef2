import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { isPlainPromise, isPromise } from "../../../src/core/values/promise.ts";

class SdkPromise extends Promise<number> {}

describe("a promise is told apart", () => {
  test.each([
    { name: "of this realm", value: Promise.resolve(1), promise: true, plain: true },
    { name: "of another realm", value: runInNewContext("(async () => 1)()"), promise: true, plain: true },
    { name: "an SDK's subclass", value: SdkPromise.resolve(1), promise: true, plain: false },
    {
      name: "a subclass of another realm",
      value: runInNewContext("(class SdkPromise extends Promise {}).resolve(1)"),
      promise: true,
      plain: false,
    },
    { name: "an object", value: {}, promise: false, plain: false },
    { name: "nothing", value: undefined, promise: false, plain: false },
    { name: "null", value: null, promise: false, plain: false },
    { name: "a text", value: "[object Promise]", promise: false, plain: false },
  ])("$name", ({ value, promise, plain }) => {
    expect(isPromise(value)).toBe(promise);
    if (isPromise(value)) expect(isPlainPromise(value)).toBe(plain);
  });
});
