import fc from "fast-check";
import { describe, expect } from "vitest";
import { newReading, type Reading } from "../../src/meter/wire/formats/format.ts";
import * as formats from "../../src/meter/wire/formats/registry.ts";
import { FRAMINGS } from "../../src/meter/wire/framings.ts";
import { parseBody } from "../../src/meter/wire/long-text.ts";
import { EXAMPLES, MODEL } from "../meter/wire/examples.ts";
import { anyJson, damaged, fuzz, replaced } from "./fuzz.ts";

/** Counts and money are numbers of calls that can be, whatever was read. */
function expectSane({ usage, costUsd, visible, thought, toolCalls }: Reading): void {
  for (const count of [...Object.values(usage ?? {}), visible, thought, toolCalls]) {
    expect(Number.isFinite(count) && count >= 0).toBe(true);
  }
  if (costUsd !== undefined) expect(Number.isFinite(costUsd) && costUsd > 0).toBe(true);
}

const overHttp = Object.values(formats).filter(({ endpoints }) =>
  endpoints.some(({ method }) => method !== "WEBSOCKET"),
);

describe.each(overHttp.map((format) => [format.name, format] as const))("%s", (name, format) => {
  const example = EXAMPLES[name] as (typeof EXAMPLES)[string];

  fuzz("a request", fc.oneof(anyJson, replaced(example.request)), (body) => {
    if (typeof body !== "object" || body === null || Array.isArray(body)) return;
    for (const endpoint of format.endpoints) format.readRequest(body as never, { endpoint, model: MODEL });
  });

  fuzz("a whole answer", fc.oneof(anyJson, replaced(example.answer)), (body) => {
    const reading = newReading(undefined);
    format.readBody(body, reading);
    expectSane(reading);
  });

  if (example.stream === undefined) return;
  const framing = FRAMINGS[format.endpoints.find(({ stream }) => stream !== false)?.framing ?? "sse"];
  const streams = fc.tuple(damaged([example.stream]), fc.array(fc.nat(5_000), { maxLength: 8 }), fc.boolean());
  fuzz("a stream, in any pieces", streams, ([bytes, cuts, hides]) => {
    const reading = newReading(undefined);
    const reader = framing.open(format, reading, hides, () => {}, new Map());
    let passed = 0;
    let from = 0;
    for (const at of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
      passed += reader.push(new Uint8Array(bytes.subarray(from, at))).length;
      from = at;
    }
    passed += reader.rest().length;
    // Nothing is lost but what was asked for by us.
    if (hides) expect(passed).toBeLessThanOrEqual(bytes.length);
    else expect(passed).toBe(bytes.length);
    expectSane(reading);
  });
});

fuzz("a body's text", damaged(Object.values(EXAMPLES).map(({ answer }) => JSON.stringify(answer))), (bytes) => {
  parseBody(bytes);
  parseBody(bytes.toString());
});
