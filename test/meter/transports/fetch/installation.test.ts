import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../../../src/core/call.ts";
import { createRuntime, type Runtime, theRuntime } from "../../../../src/process/runtime.ts";

const native = globalThis.fetch;
const OFF = { telemetry: false, env: {} } as const;

/** The network underneath: says how often it was reached. */
let reached = 0;
const network = async (): Promise<Response> => {
  reached += 1;
  return Response.json({ model: "m", choices: [], usage: { prompt_tokens: 5, completion_tokens: 7 } });
};

const call = async (): Promise<unknown> =>
  (
    await fetch("https://api.openai.com/v1/chat/completions", {
      method: "POST",
      body: JSON.stringify({ model: "m", messages: [] }),
    })
  ).json();

function listen(runtime: Runtime): SettledCall[] {
  const calls: SettledCall[] = [];
  runtime.listeners.add((settled) => calls.push(settled));
  return calls;
}

/** Another copy of a module, as a second version of the package in the tree would be. */
const copyOf = async (path: string): Promise<typeof import("../../../../src/process/runtime.ts")> =>
  import(`${path}?copy=2`);

beforeEach(() => {
  reached = 0;
  globalThis.fetch = network as typeof fetch;
});

afterEach(() => {
  globalThis.fetch = native;
});

test("a transport that is switched off meters nothing", async () => {
  const runtime = createRuntime(() => {});
  const calls = listen(runtime);
  await runtime.start({ ...OFF, transportsOff: ["fetch"] });
  await call();
  await runtime.stop();
  expect({ reached, calls }).toEqual({ reached: 1, calls: [] });
});

describe("the hook", () => {
  test("is installed once, however often it is started, and taken off whole", async () => {
    const runtime = createRuntime(() => {});
    const calls = listen(runtime);
    await runtime.start(OFF);
    const hooked = globalThis.fetch;
    expect(hooked).not.toBe(network);
    await runtime.start(OFF);
    await runtime.start(OFF);
    expect(globalThis.fetch).toBe(hooked);
    await call();
    await runtime.stop();
    expect(globalThis.fetch).toBe(network);
    await call();
    await runtime.flush();
    expect(calls).toHaveLength(1);
    expect(reached).toBe(2);
  });

  test("can be taken off and put on again", async () => {
    const runtime = createRuntime(() => {});
    const calls = listen(runtime);
    for (const _ of [1, 2]) {
      await runtime.start(OFF);
      await call();
      await runtime.stop();
      await call();
    }
    expect(calls).toHaveLength(2);
    expect(globalThis.fetch).toBe(network);
  });

  test("looks like the fetch that it is", async () => {
    const runtime = createRuntime(() => {});
    await runtime.start(OFF);
    for (const seen of [Reflect.ownKeys, Object.getOwnPropertyDescriptors, (f: object) => "Response" in f] as const) {
      expect(seen(globalThis.fetch)).toEqual(seen(network));
    }
    await runtime.stop();
  });

  test("taken off below a wrapper of somebody else's, stays out of the way", async () => {
    const runtime = createRuntime(() => {});
    const calls = listen(runtime);
    await runtime.start(OFF);
    const ours = globalThis.fetch;
    const theirs = ((input, init) => ours(input, init)) as typeof fetch;
    globalThis.fetch = theirs;
    await call();
    await runtime.stop();
    expect(globalThis.fetch).toBe(theirs);
    await call();
    await runtime.flush();
    expect(calls).toHaveLength(1);
    expect(reached).toBe(2);
  });
});

describe("a call is metered once", () => {
  test("when somebody else wraps fetch after us, and we are started again", async () => {
    const runtime = createRuntime(() => {});
    const calls = listen(runtime);
    await runtime.start(OFF);
    const ours = globalThis.fetch;
    globalThis.fetch = (async (input, init) => ours(input, init)) as typeof fetch;
    await call();
    await runtime.start(OFF);
    await call();
    await runtime.flush();
    expect(calls).toHaveLength(2);
    await runtime.stop();
  });

  test("when a client's own fetch is wrapped too", async () => {
    const runtime = createRuntime(() => {});
    const calls = listen(runtime);
    await runtime.start(OFF);
    const wrapped = runtime.wrapFetch(globalThis.fetch);
    expect(wrapped).toBe(globalThis.fetch);
    const around = runtime.wrapFetch((input, init) => globalThis.fetch(input, init));
    await (
      await around("https://api.openai.com/v1/chat/completions", {
        method: "POST",
        body: JSON.stringify({ model: "m", messages: [] }),
      })
    ).json();
    await runtime.flush();
    expect(calls).toHaveLength(1);
    await runtime.stop();
  });

  test("when two copies of the package load", async () => {
    const copy = await copyOf("../../../../src/process/runtime.ts");
    expect(copy.createRuntime).not.toBe(createRuntime);
    expect(copy.theRuntime()).toBe(theRuntime());
    const calls = listen(theRuntime());
    await theRuntime().start(OFF);
    const hooked = globalThis.fetch;
    await copy.theRuntime().start(OFF);
    expect(globalThis.fetch).toBe(hooked);
    await call();
    await copy.theRuntime().flush();
    expect(calls).toHaveLength(1);
    await copy.theRuntime().stop();
    expect(globalThis.fetch).toBe(network);
  });

  test("when two copies load that share nothing, as of two versions", async () => {
    const copy = await copyOf("../../../../src/process/runtime.ts");
    const [first, second] = [createRuntime(() => {}), copy.createRuntime(() => {})];
    const calls = [listen(first), listen(second)];
    await first.start(OFF);
    const hooked = globalThis.fetch;
    await second.start(OFF);
    expect(globalThis.fetch).toBe(hooked);
    await call();
    await Promise.all([first.flush(), second.flush()]);
    expect(calls.map(({ length }) => length)).toEqual([1, 0]);
    // The first to uninstall leaves the other's hook in place.
    await second.stop();
    expect(globalThis.fetch).toBe(hooked);
    await first.stop();
    expect(globalThis.fetch).toBe(network);
  });
});
