import fc from "fast-check";
import { expect, test } from "vitest";
import { setMember } from "../../../../src/meter/wire/changes/set-member.ts";

test.each([
  ['{"model":"a","x":1}', ["model"], "b", '{"x":1,"model":"b"}'],
  ['{ "x": 1.0, "model" : "a" }', ["model"], "b", '{ "x": 1.0 ,"model":"b"}'],
  ['{"x":12345678901234567890}', ["n"], 5, '{"x":12345678901234567890,"n":5}'],
  ["{}", ["n"], 5, '{"n":5}'],
  ['{"n":1}', ["n"], 5, '{"n":5}'],
  ['{"n":1,"n":2}', ["n"], 5, '{"n":5}'],
  ['{"a":{"n":1,"m":2},"b":"}"}', ["a", "n"], 5, '{"a":{"m":2,"n":5},"b":"}"}'],
  ['{"b":"a","a":{"m":"}"}}', ["a", "n"], 5, '{"b":"a","a":{"m":"}","n":5}}'],
  ['{"b":1}', ["a", "n"], 5, '{"b":1,"a":{"n":5}}'],
  ['{"a":null}', ["a", "n"], 5, undefined],
])("%s with %j", (json, path, value, expected) => {
  expect(setMember(json, path, value)).toBe(expected);
});

test("of any object only the member is another", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(4), (object, spaces) => {
      const json = JSON.stringify({ ...object, model: "a" }, undefined, spaces);
      expect(JSON.parse(setMember(json, ["model"], "b") as string)).toEqual({ ...JSON.parse(json), model: "b" });
      const { config: _, ...rest } = JSON.parse(json);
      const nested = setMember(JSON.stringify(rest, undefined, spaces), ["config", "n"], 5) as string;
      expect(JSON.parse(nested)).toEqual({ ...rest, config: { n: 5 } });
    }),
  );
});
