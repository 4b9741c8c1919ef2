import { describe, expect, test } from "vitest";
import { hasHeader, readHeader } from "../../../src/meter/wire/headers.ts";
import { dropScopeHeaders, readScopeHeaders } from "../../../src/meter/wire/scope-headers.ts";

type Pairs = readonly (readonly [string, string])[];

/** The forms in which fetch takes headers. */
const FORMS: Readonly<Record<string, (pairs: Pairs) => unknown>> = {
  Headers: (pairs) => new Headers(pairs.map(([name, value]): [string, string] => [name, value])),
  list: (pairs) => pairs.map((pair) => [...pair]),
  object: (pairs) => Object.fromEntries(pairs),
};

const entries = (headers: unknown): Record<string, string> => Object.fromEntries(new Headers(headers as HeadersInit));

describe.each(Object.entries(FORMS))("as %s", (_form, make) => {
  const said = make([
    ["X-Spendfuse-Agent", "a"],
    ["x-spendfuse-run", "7"],
    ["authorization", "Bearer k"],
    ["baggage", "theirs=1,spendfuse.agent=planner"],
  ]);

  test("a header is read whatever the case of its name", () => {
    expect(readHeader(said, "authorization")).toBe("Bearer k");
    expect([hasHeader(said, "x-spendfuse-agent"), hasHeader(said, "x-other")]).toEqual([true, false]);
  });

  test("what a caller says of its scope is read, and taken off with all that is ours", () => {
    expect(readScopeHeaders(said)).toEqual({ agent: "a", run: "7" });
    expect(entries(dropScopeHeaders(said))).toEqual({ authorization: "Bearer k", baggage: "theirs=1" });
    // The caller's own stay as they are.
    expect(readScopeHeaders(said)).toEqual({ agent: "a", run: "7" });
  });

  test("declared tags are read, with - or _ in their names; those of others are only taken off", () => {
    const tagged = make([
      ["X-Spendfuse-Tag-Customer", "ACME"],
      ["x-spendfuse-tag-cost-center", "7"],
      ["x-spendfuse-tag-other", "x"],
      ["accept", "json"],
    ]);
    const tags = { customer: "ACME", cost_center: "7" };
    expect(readScopeHeaders(tagged, ["customer", "cost_center", "feature"])).toEqual({ tags });
    expect(entries(dropScopeHeaders(tagged))).toEqual({ accept: "json" });
  });

  test("a baggage with something of ours says nothing, and is taken off", () => {
    const carried = make([["baggage", "spendfuse.agent=planner"]]);
    expect(readScopeHeaders(carried)).toEqual({});
    expect(entries(dropScopeHeaders(carried))).toEqual({});
  });

  test("where nothing is ours there is nothing to do", () => {
    expect(
      readScopeHeaders(
        make([
          ["baggage", "theirs=1"],
          ["x-spendfuse", "x"],
          ["x-other-agent", "b"],
        ]),
      ),
    ).toBeUndefined();
    expect(readScopeHeaders(make([]))).toBeUndefined();
  });

  test("an empty one says nothing, and is to be removed", () => {
    expect(readScopeHeaders(make([["x-spendfuse-agent", ""]]))).toEqual({});
  });
});

test.each([undefined, null, "text", 7])("%s is no headers", (headers) => {
  expect([readHeader(headers, "a"), readScopeHeaders(headers)]).toEqual([undefined, undefined]);
});
