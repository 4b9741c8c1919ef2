import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { METERED } from "./answers.ts";
import { answering, CALLERS, type Metering, startMetering, summary } from "./metering.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const native = globalThis.fetch;
const CANCELED = { ending: "canceled", quality: "estimated" };
const COMPLETED = { ending: "completed", quality: "reported", usage: METERED };

let metering: Metering;

beforeAll(async () => {
  metering = await startMetering();
});

beforeEach(() => {
  metering.calls.length = 0;
  metering.server.drop();
});

afterAll(() => metering.stop());

/** Nothing tells when the collector has come: it is called until it has, or often enough to be sure that it will not. */
async function collect(done = () => false, rounds = 40): Promise<void> {
  for (let round = 0; round < rounds && !done(); round += 1) {
    collectGarbage();
    await turn();
  }
}

type Use = (response: Response) => Promise<unknown>;
const bodyOf = (response: Response) => response.body as ReadableStream<Uint8Array>;

async function one(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  await reader.read();
}

/** What is done with a response before it is dropped, and how its call settles for each caller. */
const DROPPED: Readonly<Record<string, { use: Use; plain: object; SDK: object; closes: boolean }>> = {
  "never touched": { use: async () => {}, plain: CANCELED, SDK: CANCELED, closes: true },
  "looked at": { use: async (r) => r.body?.locked, plain: CANCELED, SDK: CANCELED, closes: true },
  "read in part": { use: (r) => one(bodyOf(r).getReader()), plain: CANCELED, SDK: CANCELED, closes: false },
  "read in part, released": {
    use: async (r) => {
      const reader = bodyOf(r).getReader();
      await reader.read();
      reader.releaseLock();
    },
    plain: CANCELED,
    SDK: CANCELED,
    closes: false,
  },
  "iterated in part": {
    use: (r) => bodyOf(r)[Symbol.asyncIterator]().next(),
    plain: CANCELED,
    SDK: CANCELED,
    closes: false,
  },
  "read in part by a bare reader": {
    use: (r) => one(new ReadableStreamDefaultReader(bodyOf(r))),
    plain: CANCELED,
    SDK: CANCELED,
    closes: false,
  },
};

describe("a response that is dropped settles when it is collected", () => {
  for (const [how, { use, closes, ...expected }] of Object.entries(DROPPED)) {
    for (const [caller, headers] of Object.entries(CALLERS)) {
      test(`${how}, ${caller} caller`, async () => {
        const { runtime, calls, send, server } = metering;
        answering(server, (chunks) => [...chunks.slice(0, 12), "hang"]);
        await (async () => {
          await use(await send(runtime.wrapFetch(native), "stream, usage hidden", { headers }));
        })();
        const { over } = await server.visit(0);
        let by = "";
        void over.then((seen) => {
          by = seen.by;
        });
        await collect(() => calls.length > 0 && (by !== "" || !closes));
        expect(calls.map(summary)).toEqual([expected[caller as "plain" | "SDK"]]);
        expect(by).toBe(closes ? "client" : "");
      });
    }
  }
});

describe("what is still held is not taken for dropped", () => {
  const HELD: Readonly<Record<string, (response: Response) => Promise<() => Promise<unknown>>>> = {
    response: async (r) => () => r.text(),
    body:
      async ({ body }) =>
      () =>
        new Response(body).text(),
    reader: async (r) => {
      const reader = bodyOf(r).getReader();
      await reader.read();
      return async () => {
        while (!(await reader.read()).done);
      };
    },
    "a clone": async (r) => {
      const copy = r.clone();
      return () => copy.text();
    },
    "a branch": async (r) => {
      const [, branch] = bodyOf(r).tee();
      return () => new Response(branch).text();
    },
    "values({ preventCancel })": async (r) => {
      const body = bodyOf(r);
      for await (const _ of body.values({ preventCancel: true })) break;
      return () => new Response(body.pipeThrough(new TransformStream())).text();
    },
    promise: async (r) => {
      const text = r.text();
      return () => text;
    },
  };

  for (const [what, hold] of Object.entries(HELD)) {
    for (const [caller, headers] of Object.entries(CALLERS)) {
      // Fetch itself cancels an unread body once its response is gone; an SDK's own stream is left to that.
      if (what === "body" && caller === "SDK") continue;
      test(`${what}, ${caller} caller`, async () => {
        const { runtime, calls, send, server } = metering;
        const gate = Promise.withResolvers<void>();
        answering(server, (chunks) => [...chunks.slice(0, 12), { until: gate.promise }, ...chunks.slice(12)]);
        const metered = runtime.wrapFetch(native);
        const read = await (async () => hold(await send(metered, "stream, usage hidden", { headers })))();
        await collect(undefined, 5);
        expect(calls).toEqual([]);
        gate.resolve();
        await read();
        expect(calls.map(summary)).toEqual([COMPLETED]);
      });
    }
  }
});
