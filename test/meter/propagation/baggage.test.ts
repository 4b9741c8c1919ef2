import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nestScope, type ScopeFields, type ScopeNode } from "../../../src/core/scope.ts";
import { addMembers, dropMembers, readMembers, writeMembers } from "../../../src/meter/propagation/baggage.ts";
import { readCarrier, writeCarrier } from "../../../src/meter/propagation/carrier.ts";
import { dropScopeHeaders, readScopeHeaders } from "../../../src/meter/wire/scope-headers.ts";

const RUNS = 300 * Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);

const nest = (scopes: readonly ScopeFields[]): ScopeNode | undefined =>
  scopes.reduce<ScopeNode | undefined>((outer, fields) => nestScope(outer, fields), undefined);

const name = fc.oneof(
  fc.string({ minLength: 1, maxLength: 20, unit: "binary" }),
  fc.constantFrom("a|b", "a,b;c=d", "é 🙂", '"x"', "%7C", "spendfuse.x", "\ud800"),
);
const fields = fc.record(
  {
    ...{ agent: name, team: name, project: name, run: name, conversation: name, user: name, key: name },
    tags: fc.dictionary(fc.constantFrom("customer", "feature"), fc.stringMatching(/^[a-z0-9.:/-]{1,9}[a-z0-9]$/), {
      minKeys: 1,
    }),
  },
  { requiredKeys: [] },
);

describe("a scope as W3C baggage", () => {
  test("says in another process what it said in its own: the accounts, the root, and who is at work", () => {
    fc.assert(
      fc.property(fc.array(fields, { maxLength: 5 }), (scopes) => {
        const sent = nest([{}, ...scopes]) as ScopeNode;
        const members = writeMembers(sent);
        const got = nest([{}, ...readMembers(members)]) as ScopeNode;
        const { key: _, ...scope } = sent.scope;
        const wellFormed = <T>(value: T) => (typeof value === "string" ? value.toWellFormed() : value);
        expect(got.scope).toEqual(Object.fromEntries(Object.entries(scope).map(([k, v]) => [k, wellFormed(v)])));
        const accounts = sent.accounts.filter((account) => !account.startsWith("key:"));
        expect(new Set(got.accounts)).toEqual(new Set(accounts.map(wellFormed)));
        // Only what a header may hold.
        expect(members).toMatch(/^[!#-+\--:<-[\]-~=,]*$/);
      }),
      { numRuns: RUNS },
    );
  });

  test("an agent that comes round again stays the one at work", () => {
    const sent = nest([{ agent: "a" }, { agent: "b" }, { agent: "a" }]) as ScopeNode;
    expect(writeMembers(sent)).toBe("spendfuse.agents=a|b|a");
    expect(nest(readMembers(writeMembers(sent)))?.scope).toEqual({ agent: "a", rootAgent: "a" });
  });

  test.each([
    ["", []],
    ["tenant=7", []],
    ["spendfuse.agents", []],
    ["spendfuse.agents=", []],
    ["spendfuse.agents=%E0%A4%A", []],
    ["spendfuse.unheard=1", []],
    [`spendfuse.user=${"x".repeat(9_000)}`, []],
    [`spendfuse.user=${"x".repeat(300)}`, []],
    ["tenant=7, spendfuse.agents = chief|desk ;p=1 , other=2", [{ parents: ["chief", "desk"] }]],
    ["spendfuse.tag.customer=a|b,spendfuse.tag.X=1", [{ tags: { customer: "a" } }, { tags: { customer: "b" } }]],
    ["spendfuse.run=1|2,spendfuse.team=t", [{ run: "1" }, { run: "2", team: "t" }]],
  ])("reads %j", (text, expected) => expect(readMembers(text)).toEqual(expected));

  test("reads anything without a fault", () => {
    const text = fc.oneof(
      fc.string(),
      fc.string().map((rest) => `spendfuse.agents=${rest}`),
    );
    fc.assert(
      fc.property(text, (baggage) => {
        for (const scope of readMembers(baggage)) nestScope(undefined, scope);
        expect(dropMembers(baggage)).not.toMatch(/(^|,)\s*spendfuse\./);
      }),
      { numRuns: RUNS },
    );
  });

  test("lies beside what others have in the same baggage, and in place of what was there of ours", () => {
    expect(addMembers("tenant=7", "spendfuse.team=a")).toBe("tenant=7,spendfuse.team=a");
    expect(addMembers("spendfuse.team=old,tenant=7;ttl=3", "spendfuse.team=a")).toBe("tenant=7;ttl=3,spendfuse.team=a");
    expect(addMembers("x".repeat(8_190), "spendfuse.team=a")).toBeUndefined();
  });
});

describe("a carrier", () => {
  const MEMBERS = "spendfuse.agents=chief";
  const carriers: readonly [string, () => object][] = [
    ["a plain object", () => ({})],
    ["a plain object with a baggage of its own", () => ({ Baggage: "tenant=7", other: 1 })],
    ["Headers", () => new Headers({ baggage: "tenant=7" })],
    ["a Map", () => new Map([["baggage", "tenant=7"]])],
    ["a list of pairs", () => [["Baggage", "tenant=7"]]],
    ["bytes, as queues have them", () => ({ baggage: Buffer.from("tenant=7") })],
    ["MCP's _meta", () => ({ progressToken: 3 })],
  ];
  test.each(carriers)("%s", (_, make) => {
    const carrier = make();
    const before = readCarrier(carrier);
    writeCarrier(carrier, MEMBERS);
    expect(readCarrier(carrier)).toBe(before === undefined ? MEMBERS : `tenant=7,${MEMBERS}`);
    expect(readMembers(readCarrier(carrier) ?? "")).toEqual([{ parents: ["chief"] }]);
  });

  test.each([undefined, null, 7, "text"])("%j is none", (carrier) => expect(readCarrier(carrier)).toBeUndefined());
});

describe("what is ours among the headers of a request", () => {
  const SENT = {
    "X-Spendfuse-Agent": "Bot",
    "x-spendfuse-user": "u-1",
    Baggage: "spendfuse.run=9,tenant=7",
    authorization: "Bearer k",
  };
  const LEFT = { baggage: "tenant=7", authorization: "Bearer k" };
  test.each<[string, HeadersInit]>([
    ["a plain object", SENT],
    ["Headers", new Headers(SENT)],
    ["a list of pairs", Object.entries(SENT)],
  ])("is read, and taken off a copy: %s", (_, headers) => {
    const before = JSON.stringify([...new Headers(headers)]);
    expect(readScopeHeaders(headers)).toEqual({ agent: "Bot", user: "u-1" });
    expect(Object.fromEntries(new Headers(dropScopeHeaders(headers)))).toEqual(LEFT);
    expect(JSON.stringify([...new Headers(headers)])).toBe(before);
  });

  test("nothing is found where nothing is, and a baggage of ours alone goes with its name", () => {
    expect(readScopeHeaders({ baggage: "tenant=7", "x-stainless-lang": "js" })).toBeUndefined();
    expect(readScopeHeaders(new Headers({ baggage: "tenant=7" }))).toBeUndefined();
    expect(readScopeHeaders(undefined)).toBeUndefined();
    const ours = { baggage: "spendfuse.run=9" };
    expect(readScopeHeaders(ours)).toEqual({});
    expect(dropScopeHeaders(ours)).toEqual({});
    expect([...new Headers(dropScopeHeaders(new Headers(ours)))]).toEqual([]);
  });
});
