import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, test } from "vitest";
import { createInFlightRequests } from "../../../src/meter/call/in-flight-requests.ts";

describe("whose a request is", () => {
  const call = { address: "h", path: "/p" };

  /** Sends a call until its end is called; `inside` runs where its fetch runs. */
  function sending(inFlight: ReturnType<typeof createInFlightRequests>, to = call) {
    let inside: (<T>(fn: () => T) => T) | undefined;
    const request = inFlight.begin(to, true);
    inFlight.run(request, () => {
      inside = AsyncLocalStorage.snapshot();
    });
    return { inside: inside as <T>(fn: () => T) => T, end: () => inFlight.end(request) };
  }

  test("of the call that it leaves in, even elsewhere or again", async () => {
    const inFlight = createInFlightRequests();
    const one = sending(inFlight);
    expect(one.inside(() => inFlight.isInside("/p"))).toBe(true);
    expect(one.inside(() => inFlight.owns({}, "h", "/p"))).toBe(true);
    expect(one.inside(() => inFlight.owns({}, "h", "/p"))).toBe(true);
    expect(one.inside(() => inFlight.owns({}, "moved", "/elsewhere"))).toBe(true);
    expect(inFlight.owns({}, "h", "/p")).toBe(false);
    await one.end();
    expect(one.inside(() => inFlight.owns({}, "h", "/p"))).toBe(false);
    expect(one.inside(() => inFlight.isInside("/p"))).toBe(false);
  });

  test("of a call like it that waits, in whatever context it leaves", async () => {
    const inFlight = createInFlightRequests();
    const [one, two] = [sending(inFlight), sending(inFlight)];
    expect(one.inside(() => inFlight.owns({}, "h", "/p"))).toBe(true);
    expect(inFlight.owns({}, "h", "/other")).toBe(false);
    expect(inFlight.owns({}, "h", "/p")).toBe(true);
    expect(inFlight.owns({}, "h", "/p")).toBe(false);
    // It was taken for the second's, whose own comes now.
    expect(two.inside(() => inFlight.owns({}, "h", "/p"))).toBe(false);
    expect(two.inside(() => inFlight.owns({}, "h", "/p"))).toBe(true);
  });

  test("of a call of the same path that waits, where its fetch sends it elsewhere", () => {
    const inFlight = createInFlightRequests();
    sending(inFlight, { address: "other", path: "/p" });
    sending(inFlight);
    expect(inFlight.owns({}, "h", "/p")).toBe(true);
    expect(inFlight.owns({}, "gateway", "/p")).toBe(true);
    expect(inFlight.owns({}, "gateway", "/p")).toBe(false);
  });

  test("of no call in the context of one that was answered, until it is sent again", () => {
    const inFlight = createInFlightRequests();
    const one = sending(inFlight);
    const first = {};
    expect(one.inside(() => inFlight.owns(first, "h", "/p"))).toBe(true);
    inFlight.answered(first, 103);
    inFlight.answered(first, 503);
    const second = {};
    expect(inFlight.owns(second, "h", "/p")).toBe(true);
    inFlight.answered(second, undefined);
    const third = {};
    expect(inFlight.owns(third, "h", "/p")).toBe(true);
    inFlight.answered(third, 200);
    expect(one.inside(() => inFlight.owns({}, "h", "/p"))).toBe(false);
  });

  test("what is sent is handed back as it is, what throws is thrown, and nothing is in flight after its end", () => {
    const inFlight = createInFlightRequests();
    const answer = Promise.resolve();
    const request = inFlight.begin(call, true);
    expect(inFlight.run(request, (value) => value, answer)).toBe(answer);
    expect(() =>
      inFlight.run(request, () => {
        throw new TypeError("no");
      }),
    ).toThrow(TypeError);
    inFlight.end(request);
    expect(inFlight.owns({}, "h", "/p")).toBe(false);
  });
});
