import { describe, expect, test } from "vitest";
import { didYouMean, nearest } from "../../src/core/nearest.ts";

describe("the known words that a misspelt one may have meant", () => {
  test.each([
    ["budget", ["budgets", "breaker"], ["budgets"]],
    ["bugdets", ["budgets", "baggage"], ["budgets"]],
    ["WARN-AT", ["warnAt", "name"], ["warnAt"]],
    ["utl", ["url", "ttl", "port"], ["url", "ttl"]],
    ["input", ["inputPerMTok", "outputPerMTok"], ["inputPerMTok"]],
    ["cache", ["cacheRead", "cacheWrite", "model"], ["cacheRead", "cacheWrite"]],
    ["usd", ["use", "calls"], ["use"]],
    ["in", ["inputPerMTok"], []],
    ["limit", ["usd", "tokens", "calls"], []],
    ["", ["a", "per"], ["a"]],
  ])("%s of %j: %j", (word, known, found) => {
    expect(nearest(word, known)).toEqual(found);
  });

  test.each(["prot", "prt", "porrt", "pxrt", "qort"])("%s is one edit away from port, a swap included", (word) => {
    expect(nearest(word, ["port"])).toEqual(["port"]);
  });

  test("as a question, of three at the most", () => {
    expect(didYouMean("utl", ["url", "ttl"])).toBe('; did you mean "url" or "ttl"?');
    expect(didYouMean("abc", ["abcd", "abce", "abcf", "abcg"]).split(" or ")).toHaveLength(3);
    expect(didYouMean("x", ["url"])).toBe("");
  });
});
