import { stripTypeScriptTypes } from "node:module";
import { describe, expect, test } from "vitest";
import { instrument } from "./instrument.ts";
import { findSites } from "./mutants.ts";

/** What may stand in the places of a source, as `before -> after`. */
const changes = (source: string): readonly string[] =>
  findSites(source).flatMap(({ start, end, options }) =>
    options.map((after) => `${source.slice(start, end)} -> ${after}`),
  );

describe("the changes of a piece of code", () => {
  test.each<[string, readonly string[]]>([
    ["x = a < b;", ["a < b -> (a) <= (b)", "a < b -> (a) >= (b)", "x = a < b; -> "]],
    ["f(a === b);", ["f(a === b); -> ", "a === b -> (a) !== (b)"]],
    ["const x = (a + b) * c;", ["(a + b) * c -> (a + b) / (c)", "a + b -> (a) - (b)"]],
    ["const x = a ?? b;", ["a ?? b -> a"]],
    ["const x = a && !b;", ["a && !b -> (a) || (!b)", "!b -> b"]],
    ["const x = a?.b?.c;", ["a?.b?.c -> a?.b.c"]],
    ["const x = a?.[0];", ["a?.[0] -> a[0]", "0 -> 1"]],
    ["const x = 5;", ["5 -> 6", "5 -> 4"]],
    ["const x = 60_000;", ["60_000 -> 120000"]],
    ["const x = true;", ["true -> false"]],
    ["const f = (a: number): number => a;", ["a -> undefined"]],
    ["function f() { return 'x'; }", ["return 'x'; -> "]],
    ["if (ready) go();", ["ready -> !(ready)", "go(); -> "]],
    ["const x = Math.min(a, b);", ["Math.min(a, b) -> (Math).max(a, b)"]],
    ["i++;", ["i++ -> i--"]],
    ["x += 'a';", ["x += 'a'; -> ", "x += 'a' -> x -= 'a'"]],
  ])("%s", (source, expected) => {
    expect(changes(source)).toEqual(expect.arrayContaining([...expected]));
  });

  test.each([
    "import { a } from 'b';",
    "interface A { readonly b: 1 | true }",
    "type A = 'x' extends string ? 1 : 2;",
    "const x = { 1: a };",
    "const x = 'text' + a;",
    "delete a?.b;",
    "function f(): void { return; }",
  ])("none of %s", (source) => {
    expect(changes(source)).toEqual([]);
  });
});

describe("a source with all of its mutants in it", () => {
  const source = `
    export function f(list: readonly number[], least?: number): string {
      let sum = 0;
      for (const one of list) if (one >= (least ?? 2)) sum += one * 10;
      return list.some((one) => one > 5 && !least) ? "many" : String(sum);
    }`;
  const { code, mutants } = instrument("src/f.ts", source, findSites(source), 100, "./switch.ts");

  /** What the function says with a mutant on. */
  function run(active: number): string {
    const plain = stripTypeScriptTypes(code)
      .replace(/^import [^;]+;/, "")
      .replace("export function", "return function");
    const f = new Function("isMutant$", plain)((id: number) => id === active) as (
      list: number[],
      least?: number,
    ) => string;
    try {
      return [f([1, 2, 3]), f([1, 2, 3], 3), f([6, 1]), f([6], 1), f([5])].join();
    } catch (error) {
      return String(error);
    }
  }

  test("does what it did while none is on", () => {
    expect(run(-1)).toBe("50,30,many,60,50");
  });

  test("does something else with each, and each says where it is", () => {
    expect(mutants.map(({ id }) => id)).toEqual(mutants.map((_, index) => 100 + index));
    const alike = mutants.filter(({ id }) => run(id) === run(-1));
    expect(alike).toEqual([]);
    expect(mutants.find(({ before }) => before === "one * 10")).toMatchObject({
      line: 4,
      column: 63,
      after: "(one) / (10)",
    });
  });
});
