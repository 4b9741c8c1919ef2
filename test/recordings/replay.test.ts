import { afterAll, describe, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { createRuntime } from "../../src/process/runtime.ts";
import { type Recording, recordings, replayFetch, split } from "./recording.ts";

const SIZES = [1 << 20, 1024, 97, 7];

async function meter(recording: Recording, size: number, read: (response: Response) => Promise<unknown>) {
  const warnings: string[] = [];
  const runtime = createRuntime((message) => warnings.push(message));
  const calls: SettledCall[] = [];
  runtime.listeners.add((call) => calls.push(call));
  const fetch = runtime.wrapFetch(replayFetch(recording, { chunks: split(recording.response, size) }));
  const response = await fetch(recording.uri, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: recording.request,
  });
  const got = await read(response);
  await runtime.flush();
  return { calls, got, warnings };
}

const kinds = (usage: Recording["usage"] | SettledCall["usage"]) =>
  usage && {
    input: usage.input,
    output: usage.output,
    cacheRead: usage.cacheRead,
    cacheWrite: usage.cacheWrite,
    reasoning: usage.reasoning,
  };

const readers = {
  text: (response: Response) => response.text(),
  stream: async (response: Response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body as ReadableStream<Uint8Array>) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  },
};

describe("recorded calls, replayed whole", () => {
  let equal = 0;
  let replayed = 0;

  test.each(recordings)("$id", async (recording) => {
    const reading = recording.stream ? SIZES : [1 << 20];
    for (const size of reading) {
      for (const read of Object.values(readers)) {
        replayed += 1;
        const { calls, got, warnings } = await meter(recording, size, read);
        expect(warnings).toEqual([]);
        expect(calls).toHaveLength(1);
        const [call] = calls as [SettledCall];
        expect(call.format).toBe(recording.format);
        expect(call.stream).toBe(recording.stream);
        expect(call.status).toBe(recording.status);
        if (recording.status >= 400) {
          expect(call).toMatchObject({ ending: "failed", quality: "unknown", priced: "none" });
          expect(call).not.toHaveProperty("usage");
          expect(call).not.toHaveProperty("costUsd");
        } else if (recording.usage) {
          expect(call.ending).toBe("completed");
          expect(call.quality).toBe("reported");
          expect(kinds(call.usage)).toEqual(recording.usage);
        } else {
          expect(call.quality).not.toBe("reported");
        }
        expect(got).toBe(recording.response);
        equal += 1;
      }
    }
  });

  afterAll(() => {
    console.log(`recordings: ${recordings.length}, replayed equal: ${equal} of ${replayed}`);
  });
});
