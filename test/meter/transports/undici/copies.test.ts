import { channel } from "node:diagnostics_channel";
import { afterEach, expect, test } from "vitest";
import { type Copies, createCopies, HOOKED } from "../../../../src/meter/transports/undici/copies.ts";
import type { Dispatch } from "../../../../src/meter/transports/undici/dispatcher.ts";

const required = channel("tracing:module.require:end");

/** A copy of the package, as far as its classes matter. */
function createCopy() {
  class Dispatcher {
    dispatch(_options: unknown, _handler: unknown): boolean {
      throw new Error("not implemented");
    }
    close(): void {}
    destroy(): void {}
  }
  class DispatcherBase extends Dispatcher {
    override dispatch(_options: unknown, _handler: unknown): boolean {
      return true;
    }
    override close(): void {}
    override destroy(): void {}
  }
  return DispatcherBase;
}

let copies: Copies | undefined;
const faults: unknown[] = [];
const install = (): void => {
  copies = createCopies(
    (original) => Object.assign(original.bind({ dispatch: original }) as Dispatch, { ours: true }),
    (error) => faults.push(error),
  );
  copies.install();
};
const isHooked = (base: { prototype: object }): boolean => "ours" in (base.prototype as { dispatch: object }).dispatch;

afterEach(() => copies?.remove());

test.each(["./dispatcher-base", "../dispatcher/dispatcher-base.js"])("a copy is hooked as %s is required", (id) => {
  install();
  const base = createCopy();
  const before = Object.getOwnPropertyDescriptor(base.prototype, "dispatch");
  required.publish({ id, result: base });
  expect(isHooked(base)).toBe(true);
  expect({ ...Object.getOwnPropertyDescriptor(base.prototype, "dispatch"), value: before?.value }).toEqual(before);
  copies?.remove();
  expect(Object.getOwnPropertyDescriptor(base.prototype, "dispatch")).toEqual(before);
});

test("each copy is hooked, each once", () => {
  install();
  const [one, other] = [createCopy(), createCopy()];
  for (const base of [one, other, one]) required.publish({ id: "./dispatcher-base", result: base });
  const { dispatch } = one.prototype;
  required.publish({ id: "./dispatcher-base", result: one });
  expect(one.prototype.dispatch).toBe(dispatch);
  expect(isHooked(other)).toBe(true);
});

test("a copy that another spendfuse has hooked stays as it is", () => {
  install();
  const base = createCopy();
  Object.assign(base.prototype.dispatch, { [HOOKED]: true });
  required.publish({ id: "./dispatcher-base", result: base });
  expect(isHooked(base)).toBe(false);
});

test.each([undefined, null, {}, class {}, () => {}, "text"])("what is no such class is left alone: %s", (result) => {
  install();
  required.publish({ id: "./dispatcher-base", result });
  required.publish({ id: 7 });
  required.publish({ id: "./other", result: createCopy() });
  expect(faults).toEqual([]);
});

test("what is required after it was removed stays as it is", () => {
  install();
  copies?.remove();
  const base = createCopy();
  required.publish({ id: "./dispatcher-base", result: base });
  expect(isHooked(base)).toBe(false);
});
