import { expect, test } from "vitest";
import { rereadable } from "../../../../src/meter/transports/fetch/request.ts";

test("headers that can be read once are made readable again, others stay the same object", () => {
  const once = { headers: new Map([["a", "1"]]).entries() } as unknown as RequestInit;
  const again = rereadable(once) as { headers: Iterable<unknown> };
  expect([[...again.headers], [...again.headers]]).toEqual([[["a", "1"]], [["a", "1"]]]);
  for (const headers of [new Headers(), [], {}, undefined]) {
    const init = headers === undefined ? {} : { headers: headers as HeadersInit };
    expect(rereadable(init)).toBe(init);
  }
});
