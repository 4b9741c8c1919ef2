import { setImmediate as turn } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KINDS } from "./answers.ts";
import { CANCELS, NODE_CANCELS } from "./cancels.ts";
import { answering, CALLERS, describeError, type Metering, startMetering, summary } from "./metering.ts";
import { network, SOURCES } from "./sources.ts";

/** Chunks of the stream that come; then nothing more does. */
const SENT = 12;
const CANCELED = { ending: "canceled", quality: "estimated" };

let metering: Metering;

beforeAll(async () => {
  metering = await startMetering();
  network.hangsAfter = 1;
});

afterAll(() => metering.stop());

/** Stops a call on its way and says how it was for the caller and how for the server. */
async function stopped(
  fetch: typeof globalThis.fetch,
  kind: string,
  headers: object,
  cancel: (typeof CANCELS)[string],
) {
  answering(metering.server, (chunks) => [...chunks.slice(0, KINDS[kind]?.stream ? SENT : 2), "hang"]);
  network.canceled = 0;
  const controller = new AbortController();
  const response = await metering.send(fetch, kind, {
    headers: headers as Record<string, string>,
    signal: controller.signal,
  });
  const result = await cancel(response, controller).catch(describeError);
  // A pipe releases its source some microtasks later.
  await turn();
  const visit = metering.server.visits[0];
  const by = visit ? (await visit.over).by : "none";
  return { result, by, canceled: network.canceled, bodyUsed: response.bodyUsed, locked: response.body?.locked };
}

describe("cancellation reaches the server as without us, and settles the call", () => {
  let right = 0;
  let made = 0;

  for (const [name, { node, fetch }] of Object.entries(SOURCES)) {
    for (const kind of Object.keys(KINDS)) {
      for (const [caller, headers] of Object.entries(CALLERS)) {
        for (const [how, cancel] of Object.entries(node ? NODE_CANCELS : CANCELS)) {
          test(`${name}, ${kind}, ${caller} caller: ${how}`, async () => {
            made += 1;
            const { runtime, calls } = metering;
            const expected = await stopped(fetch, kind, headers, cancel);
            calls.length = 0;
            const seen = await stopped(runtime.wrapFetch(fetch), kind, headers, cancel);
            expect(seen).toEqual(expected);
            expect(name === "custom fetch" || seen.by === "client").toBe(true);
            // A stream that is no byte stream refuses the reader: then nothing was read or canceled.
            const refused = how === "byob reader, canceled" && name === "custom fetch";
            if (refused) await runtime.flush();
            expect(calls.map(summary)).toEqual([CANCELED]);
            right += 1;
          });
        }
      }
    }
  }

  afterAll(() => {
    console.log(`ways of canceling a body: right ${right} of ${made}`);
    // Readings without us go around us, and that is said.
    const said = expect.stringContaining(`a model call to ${metering.server.host} was not metered`);
    expect(metering.warnings).toEqual([said]);
  });
});
