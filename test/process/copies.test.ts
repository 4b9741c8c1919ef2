import { afterEach, expect, test, vi } from "vitest";
import { isFinalising } from "../../src/guard/finalise.ts";
import * as first from "../../src/index.ts";
import { theRuntime } from "../../src/process/runtime.ts";

const RUNTIME = Symbol.for("spendfuse.runtime.1");
const slots = globalThis as { [RUNTIME]?: unknown };

/** The package once more, as ESM and CommonJS twins or two versions of it are in one process. */
async function another(): Promise<typeof first> {
  vi.resetModules();
  const copy = await import("../../src/index.ts");
  expect(copy.scope).not.toBe(first.scope);
  return copy;
}

afterEach(() => first.stop());

test("copies share one runtime, and what only the first one's guard asks for", async () => {
  const runtime = theRuntime();
  const second = await another();
  expect(second.finalise(isFinalising)).toBe(true);
  const off = second.onCall(() => {});
  expect(runtime.listeners.size).toBe(1);
  off();
});

test("a copy in another realm shares the runtime that hooks the realm's fetch, and keeps nothing there", async () => {
  const runtime = theRuntime();
  await first.start({ telemetry: false });
  // What such a realm lacks; it has the same `fetch`.
  delete slots[RUNTIME];
  try {
    const second = await another();
    const off = second.onCall(() => {});
    expect(runtime.listeners.size).toBe(1);
    expect(RUNTIME in globalThis).toBe(false);
    off();
  } finally {
    slots[RUNTIME] = runtime;
  }
});

test("a copy in another realm whose fetch is not hooked has a runtime of its own", async () => {
  const runtime = theRuntime();
  delete slots[RUNTIME];
  try {
    const second = await another();
    second.onCall(() => {});
    expect(runtime.listeners.size).toBe(0);
    expect(RUNTIME in globalThis).toBe(true);
  } finally {
    slots[RUNTIME] = runtime;
  }
});
