import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KINDS, METERED } from "./body/answers.ts";
import { CALLERS, describeError, type Metering, startMetering, summary } from "./body/metering.ts";
import { SOURCES, sharedIntact } from "./body/sources.ts";
import { NODE_WAYS, WAYS, type Way } from "./body/ways.ts";

const native = globalThis.fetch;
const REPORTED = { ending: "completed", quality: "reported", usage: METERED };

let metering: Metering;

beforeAll(async () => {
  metering = await startMetering();
});

afterAll(() => metering.stop());

const echo = async (body: BodyInit): Promise<string> => {
  const init = { method: "POST", body, duplex: "half" } as RequestInit;
  return Buffer.from(await (await native(`${metering.server.url}/echo`, init)).arrayBuffer()).toString("latin1");
};

async function outcome(run: () => unknown): Promise<string> {
  try {
    return `${typeof (await run())}`;
  } catch (error) {
    return describeError(error);
  }
}

/** All that a caller can see of one response, before, while and after it is read. */
async function transcript(response: Response, way: Way, node = false): Promise<Record<string, unknown>> {
  const { url, redirected, type, status, statusText, ok, bodyUsed } = response;
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  let result: string;
  try {
    result = await way(response, echo);
  } catch (error) {
    result = describeError(error);
  }
  return {
    url,
    redirected,
    type,
    status,
    statusText,
    ok,
    bodyUsed,
    headers,
    class: response.constructor,
    isResponse: response instanceof Response,
    isStream: response.body instanceof ReadableStream,
    own: Object.getOwnPropertyNames(response),
    result,
    bodyUsedAfter: response.bodyUsed,
    lockedAfter: response.body?.locked,
    textAgain: await outcome(() => response.text()),
    jsonAgain: await outcome(() => response.json()),
    cloneAgain: node ? "" : await outcome(() => response.clone()),
    readerAgain: node ? "" : await outcome(() => response.body?.getReader().releaseLock()),
    teeAgain: node ? "" : await outcome(() => response.body?.tee()),
  };
}

describe("every way of reading a body is as without us, and metered once", () => {
  let right = 0;
  let made = 0;

  for (const [name, { node, fetch }] of Object.entries(SOURCES)) {
    for (const kind of Object.keys(KINDS)) {
      for (const [caller, headers] of Object.entries(CALLERS)) {
        test(`${name}, ${kind}, ${caller} caller`, async () => {
          const { runtime, calls, send } = metering;
          const metered = runtime.wrapFetch(fetch);
          const wrong: unknown[] = [];
          for (const [how, way] of Object.entries(node ? NODE_WAYS : WAYS)) {
            made += 1;
            calls.length = 0;
            const expected = await transcript(await send(fetch, kind, { headers }), way, node);
            const seen = await transcript(await send(metered, kind, { headers }), way, node);
            try {
              expect(seen, how).toEqual(expected);
              expect(calls.map(summary), how).toEqual([REPORTED]);
              expect(sharedIntact(), how).toBe(true);
              right += 1;
            } catch (error) {
              wrong.push(error);
            }
          }
          if (wrong.length > 0) throw new AggregateError(wrong, `${wrong.length} ways differ`);
        });
      }
    }
  }

  afterAll(() => {
    console.log(`ways of reading a body: right ${right} of ${made}`);
    // Readings without us go around us, and that is said.
    const said = expect.stringContaining(`a model call to ${metering.server.host} was not metered`);
    expect(metering.warnings).toEqual([said]);
  });
});

describe("what else a caller may see", () => {
  test.each(["text", "reader", "clone", "tee"])("a redirected response, %s", async (how) => {
    const { runtime, calls, send } = metering;
    for (const headers of Object.values(CALLERS)) {
      calls.length = 0;
      const way = WAYS[how] as Way;
      const expected = await transcript(await send(native, "stream, usage hidden", { headers }, "/moved"), way);
      const metered = runtime.wrapFetch(native);
      const seen = await transcript(await send(metered, "stream, usage hidden", { headers }, "/moved"), way);
      expect(seen).toEqual(expected);
      expect(seen.redirected).toBe(true);
      expect(calls.map(summary)).toEqual([REPORTED]);
    }
  });

  test.each(Object.entries(CALLERS))(
    "what we asked for stays hidden when flush() settles the call first: %s caller",
    async (_caller, headers) => {
      const { runtime, calls, send } = metering;
      const metered = runtime.wrapFetch(native);
      for (const how of [
        "text",
        "arrayBuffer",
        "reader",
        "async iteration",
        "clone",
        "tee",
        "pipeTo",
        "Readable.fromWeb",
      ]) {
        const way = WAYS[how] as Way;
        calls.length = 0;
        const expected = await transcript(await send(native, "stream, usage hidden", { headers }), way);
        const response = await send(metered, "stream, usage hidden", { headers });
        await runtime.flush();
        const early = await transcript(response, way);
        const pending = send(metered, "stream, usage hidden", { headers });
        await runtime.flush();
        const earlier = await transcript(await pending, way);
        expect(early, how).toEqual(expected);
        expect(earlier, how).toEqual(expected);
        const canceled = { ending: "canceled", quality: "estimated" };
        expect(calls.map(summary), how).toEqual([canceled, canceled]);
      }
    },
  );
});
