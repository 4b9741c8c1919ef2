import fc from "fast-check";
import { test } from "vitest";

/** Seconds for each parser: a quarter by default, a minute for all in CI, an hour by `npm run fuzz`. */
const SECONDS = Number(process.env.SPENDFUSE_FUZZ_SECONDS ?? "") || 0.25;
/** Always the same where a failure has to be one of the change; another each time by `npm run fuzz`. */
const SEED = Number(process.env.SPENDFUSE_FUZZ_SEED ?? "") || 1;

/** Inputs that each parser is given whatever the time. */
const LEAST = 10;

/** Tries a parser of bytes from outside for its share of the time; prints how many it was given, and the seed. */
export function fuzz<T>(name: string, input: fc.Arbitrary<T>, run: (input: T) => unknown): void {
  test(`${name}, seed ${SEED}`, async () => {
    let tried = 0;
    const property = fc.asyncProperty(input, async (one) => {
      tried += 1;
      await run(one);
    });
    // The least, however slow the machine is; the time begins once the code is compiled.
    await fc.assert(property, { seed: SEED, numRuns: LEAST });
    const end = { interruptAfterTimeLimit: SECONDS * 1_000, markInterruptAsFailure: false };
    const timed = await fc.check(property, { seed: SEED, numRuns: Number.MAX_SAFE_INTEGER, ...end });
    // An interruption before the first input counts as a failure of fast-check's, without a counterexample.
    if (timed.counterexample !== null) throw new Error(fc.defaultReportMessage(timed));
    console.log(`fuzz: ${name}: ${tried} inputs in ${SECONDS} s`);
  });
}

/** Any JSON, in which figures and names may be absurd. */
export const anyJson: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom(1e300, -1, "", "__proto__", null, [], {}, "NaN"),
);

/** A valid text, damaged: bytes changed, cut, doubled, or something put between. */
export function damaged(valid: readonly (string | Uint8Array)[]): fc.Arbitrary<Buffer> {
  const change = fc.record({
    at: fc.nat(),
    what: fc.constantFrom("flip", "cut", "double", "insert", "drop"),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(10, 13, 34, 44, 58, 92, 123, 125)),
    text: fc.constantFrom("null", "1e300", "-1", '"', "\\u0000", "\n\n", "data:", "{", "}", "[]"),
  });
  return fc.tuple(fc.constantFrom(...valid), fc.array(change, { maxLength: 6 })).map(([text, changes]) => {
    let bytes = Buffer.from(text);
    for (const { at, what, byte, text: more } of changes) {
      const place = bytes.length === 0 ? 0 : at % bytes.length;
      if (what === "flip" && bytes.length > 0) bytes[place] = byte;
      else if (what === "cut") bytes = bytes.subarray(0, place);
      else if (what === "double") bytes = Buffer.concat([bytes.subarray(0, place), bytes]);
      else if (what === "drop") bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + (byte % 20))]);
      else bytes = Buffer.concat([bytes.subarray(0, place), Buffer.from(more), bytes.subarray(place)]);
    }
    return bytes;
  });
}

/** The object with one member, at any depth, replaced by anything. */
export function replaced(valid: object): fc.Arbitrary<object> {
  return fc.tuple(fc.nat(), anyJson).map(([nth, value]) => {
    const copy = structuredClone(valid) as Record<string, unknown>;
    const places: [Record<string, unknown>, string][] = [];
    const collect = (node: unknown): void => {
      if (typeof node !== "object" || node === null) return;
      for (const key of Object.keys(node)) {
        places.push([node as Record<string, unknown>, key]);
        collect((node as Record<string, unknown>)[key]);
      }
    };
    collect(copy);
    const [node, key] = places[nth % places.length] as [Record<string, unknown>, string];
    node[key] = value;
    return copy;
  });
}
