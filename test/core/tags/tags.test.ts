import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GEN_AI_METRICS, METRICS } from "../../../src/core/names.ts";
import { nestScope, SCOPE_KINDS } from "../../../src/core/scope.ts";
import {
  boundTags,
  createTagBounds,
  declaredTags,
  OTHER,
  RESERVED_TAGS,
  readTags,
  TAG_NAME,
  tagValue,
  writeTags,
} from "../../../src/core/tags/tags.ts";

const DECLARED = ["customer", "feature"];

describe("a tag's name", () => {
  const names = [...Object.values(METRICS), ...Object.values(GEN_AI_METRICS)].flatMap(({ attributes }) => attributes);

  test.each([...new Set([...names, ...SCOPE_KINDS, "host", "service", "env", "job", "instance", "le"])])(
    "is not %s, which has a meaning already",
    (name) => {
      expect(new RegExp(TAG_NAME).test(name)).toBe(false);
    },
  );

  test.each(["customer", "feature", "release", "environment", "cost_center", "v2"])("may be %s", (name) => {
    expect(new RegExp(TAG_NAME).test(name)).toBe(true);
  });

  test.each(["C", "Customer", "2nd", "a-b", "a.b", "a_", "", "x".repeat(32)])("is not %j", (name) => {
    expect(new RegExp(TAG_NAME).test(name)).toBe(false);
  });

  test("reserves no name twice", () => {
    expect(new Set(RESERVED_TAGS).size).toBe(RESERVED_TAGS.length);
  });
});

describe("a tag's value", () => {
  test("is written as Datadog writes it, its name included in the length", () => {
    expect(tagValue("customer", " Acme, Inc. ")).toBe("acme_inc.");
    const long = "environment_of_the_deployment";
    expect(`${long}:${tagValue(long, "x".repeat(300))}`).toHaveLength(200);
  });

  test.each<[string, unknown, object | undefined]>([
    ["a number", { customer: 7 }, { customer: "7" }],
    ["nothing", { customer: "", feature: undefined }, undefined],
    ["what becomes nothing", { customer: "__" }, undefined],
    ["no object", "customer", undefined],
    ["an undeclared one", { custmer: "a" }, undefined],
  ])("%s", (_, given, expected) => {
    expect(declaredTags(given, DECLARED)).toEqual(expected);
  });

  test("names what is not declared", () => {
    const unknown: string[] = [];
    declaredTags({ customer: "a", custmer: "b" }, DECLARED, (name) => unknown.push(name));
    expect(unknown).toEqual(["custmer"]);
  });
});

describe("a scope", () => {
  test("inherits tags, rolls up to those around it, and has them in one order", () => {
    const outer = nestScope(undefined, { agent: "a", tags: { feature: "chat" } });
    const inner = nestScope(outer, { tags: { customer: "acme", feature: "search" } });
    expect(writeTags(inner.scope.tags)).toBe("customer:acme,feature:search");
    expect(inner.accounts).toEqual(["agent:a", "feature:chat", "customer:acme", "feature:search"]);
    expect(nestScope(outer, { agent: "b" }).scope.tags).toBe(outer.scope.tags);
  });
});

describe("the values that are shown", () => {
  const values = fc.array(fc.record({ customer: fc.string({ minLength: 1 }), feature: fc.string({ minLength: 1 }) }));

  test("are bounded, stay the same, and are otherwise the value itself", () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 5 }), (given, max) => {
        const bounds = createTagBounds(max);
        const shown = new Map<string, Set<string>>();
        for (const one of [...given, ...given]) {
          const tags = declaredTags(one, DECLARED);
          for (const [name, value] of Object.entries(boundTags(bounds, { ...(tags && { tags }) }) ?? {})) {
            expect([OTHER, tags?.[name]]).toContain(value);
            const first = [...(shown.get(name) ?? [])];
            if (first.includes(tags?.[name] as string)) expect(value).toBe(tags?.[name]);
            shown.set(name, new Set([...first, value]));
          }
        }
        for (const set of shown.values()) expect(set.size).toBeLessThanOrEqual(max + 1);
      }),
    );
  });

  test("are read as they were written", () => {
    fc.assert(
      fc.property(values, (given) => {
        for (const one of given) {
          const tags = declaredTags(one, DECLARED);
          expect(readTags(writeTags(tags))).toEqual(tags ?? {});
        }
      }),
    );
  });
});
