import fc from "fast-check";
import { expect } from "vitest";
import type { Json } from "../../src/core/json.ts";
import type { Route } from "../../src/meter/wire/endpoints.ts";
import { newReading, type RequestFacts, type WireFormat } from "../../src/meter/wire/formats/format.ts";
import * as registry from "../../src/meter/wire/formats/registry.ts";
import { parseBody } from "../../src/meter/wire/long-text.ts";
import { EXAMPLES } from "../meter/wire/examples.ts";
import { MADE_UP } from "../recordings/made-up.ts";
import { fuzz, type Property, property } from "./fuzz.ts";
import { expectSound } from "./readings.ts";
import { anyJson, damaged, mutated } from "./values.ts";

/** What the tests know of a format, as JSON: requests, whole answers, frames of streams with their events. */
function examplesOf({ name }: WireFormat) {
  const { request, streamed, answer, retrieved, stream = "" } = EXAMPLES[name]!;
  const made = MADE_UP.filter(({ format }) => format === name);
  const streams = [stream, ...made.filter((one) => one.stream).map(({ response }) => response)];
  const wholes = made.filter((one) => !one.stream).flatMap(({ response }) => parseBody(response) ?? []);
  return {
    requests: [request, streamed ?? request, ...made.map((one) => JSON.parse(one.request) as unknown)],
    answers: [answer, retrieved ?? answer, ...wholes],
    frames: streams.flatMap(framesOf),
  };
}

function framesOf(stream: string): { readonly event: string; readonly json: unknown }[] {
  return stream.split(/\r?\n\r?\n/).flatMap((frame) => {
    const json = parseBody(/^data: ?(.*)$/m.exec(frame)?.[1] ?? "");
    return json === undefined ? [] : [{ event: /^event: ?(.*)$/m.exec(frame)?.[1] ?? "", json }];
  });
}

function expectSoundFacts(facts: RequestFacts): void {
  for (const count of [facts.inputBytes, facts.attachments, facts.toolBytes, facts.maxOutput])
    expect(count === undefined || (Number.isFinite(count) && count >= 0)).toBe(true);
  for (const text of [facts.model, facts.tier, facts.user, facts.instructions])
    expect(["string", "undefined"]).toContain(typeof text);
}

const asObject = (value: unknown): Json | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;

function propertiesOf(format: WireFormat): Readonly<Record<string, Property>> {
  const { requests, answers, frames } = examplesOf(format);
  const route: Route = { endpoint: format.endpoints[0]!, model: undefined };
  const some = fc.array(frames.length === 0 ? anyJson : mutated(...frames.map(({ json }) => json)), { maxLength: 6 });
  const events = fc.constantFrom("", ...new Set(frames.map(({ event }) => event)));
  const bytes = damaged(...answers.map((answer) => Buffer.from(JSON.stringify(answer))));
  const body = fc.oneof(anyJson, mutated(...answers), bytes);
  return {
    [`${format.name}: a request has facts, or none`]: property(fc.oneof(anyJson, mutated(...requests)), (request) => {
      const json = asObject(request);
      const facts = json && format.readRequest(json, route);
      if (facts !== undefined) expectSoundFacts(facts);
    }),
    [`${format.name}: a whole answer`]: property(body, (given) => {
      const reading = newReading(undefined);
      format.readBody(parseBody(given), reading);
      expectSound(reading);
    }),
    [`${format.name}: frames`]: property(fc.tuple(some, events), ([all, event]) => {
      const reading = newReading(undefined);
      for (const frame of all) {
        const json = asObject(frame);
        if (json !== undefined) format.readFrame(json, event, reading);
      }
      expectSound(reading);
    }),
  };
}

fuzz("the JSON of each wire format", Object.assign({}, ...Object.values(registry).map(propertiesOf)));
