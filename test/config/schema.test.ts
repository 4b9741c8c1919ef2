import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { generated } from "../../build/generated.ts";
import { SCHEMA } from "../../src/config/compiled.ts";
import { FORMS, type FormName } from "../../src/config/forms.ts";
import type { Node } from "../../src/config/node.ts";
import { GROUPS, SCHEMA as SOURCE } from "../../src/config/schema/schema.ts";
import { exampleOf } from "../../src/config/suggestion.ts";
import { type Problem, validate } from "../../src/config/validator.ts";
import { readDuration, readPeriod } from "../../src/core/period.ts";
import { places } from "./values.ts";

const RUNS = 2_000 * Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);

const SCALARS: readonly unknown[] = [
  0,
  1,
  -1,
  0.5,
  80,
  1e12,
  "",
  "x",
  "1",
  "off",
  "15m",
  "http://a",
  true,
  false,
  null,
];

test.each(generated().map(({ path, text }) => [path.pathname.split("/").slice(-2).join("/"), path, text] as const))(
  "%s is what the schema makes of it: run npm run schema",
  (_, path, text) => {
    expect(readFileSync(path, "utf8")).toBe(text);
  },
);

test("no key is in two groups", () => {
  const keys = GROUPS.flatMap((group) => Object.keys(group.keys));
  expect(keys).toEqual([...new Set(keys)]);
  expect(Object.keys(SCHEMA.keys)).toEqual(keys);
  expect(Object.keys(SOURCE.keys)).toEqual(keys);
});

test.each(places().map((place) => [place.path, place] as const))(
  "%s: examples and default are valid",
  (_, { node }) => {
    expect(node.description).toMatch(/^[A-Z`].*\.$/);
    for (const value of [
      exampleOf(node),
      ...(node.examples ?? []),
      ...(node.default === undefined ? [] : [node.default]),
    ]) {
      const problems: Problem[] = [];
      validate(node, value, "x", problems);
      expect(problems).toEqual([]);
    }
  },
);

describe("a form takes what its reader takes", () => {
  const texts = fc.oneof(
    fc.stringMatching(/^[0-9]{1,7}(\.[0-9]{1,4})?(ms|s|m|h|d|w|)$/),
    fc.constantFrom("run", "minute", "hour", "day", "month", "week", "", " 5m", "5m ", "1e3s", "-5m"),
  );
  const takes = (form: FormName, text: string) => new RegExp(FORMS[form].pattern).test(text);

  test("durations", () => {
    fc.assert(
      fc.property(
        texts,
        (text) => takes("duration", text) === (readDuration(text) !== undefined && text === text.trim()),
      ),
    );
  });

  test("windows and periods are periods", () => {
    fc.assert(
      fc.property(texts, (text) => {
        if (takes("period", text)) expect(readPeriod(text)).toBeDefined();
        if (takes("window", text)) expect(readDuration(text)).toBeGreaterThanOrEqual(1_000);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each(["http://a", "https://user:pw@a.example:80/x?y#z", "http://[::1]:4319", "http://127.0.0.1"])(
    "%s",
    (url) => {
      expect(takes("url", url) && URL.canParse(url)).toBe(true);
    },
  );

  test.each(["a", "http://", "http:///x", "http://a b", "ftp://a", "//a", "http://[::1", "http://:80"])(
    "not %s",
    (url) => {
      expect(takes("url", url)).toBe(false);
    },
  );
});

describe("the JSON schema and the validator", () => {
  const isValid = new Ajv({ strict: true, strictRequired: false }).compile(
    JSON.parse(readFileSync(new URL("../../config.schema.json", import.meta.url), "utf8")),
  );

  function verdicts(value: unknown): { readonly schema: boolean; readonly ours: boolean } {
    const problems: Problem[] = [];
    validate(SCHEMA, value, "", problems);
    return { schema: isValid(value), ours: problems.length === 0 };
  }

  test("take every valid configuration", () => {
    fc.assert(
      fc.property(valid(SCHEMA), (value) => {
        expect(verdicts(value)).toEqual({ schema: true, ours: true });
      }),
      { numRuns: RUNS },
    );
  });

  test("agree on configurations with one thing wrong in them, most of which they refuse", () => {
    let refused = 0;
    fc.assert(
      fc.property(
        valid(SCHEMA),
        fc.nat(),
        fc.nat(),
        fc.constantFrom(...SCALARS, [], {}, [null]),
        (value, at, how, junk) => {
          const verdict = verdicts(mutated(value, at, how, junk));
          expect(verdict.ours).toBe(verdict.schema);
          if (!verdict.ours) refused++;
        },
      ),
      { numRuns: RUNS },
    );
    expect(refused).toBeGreaterThan(RUNS / 2);
  });
});

/** Valid values of a node. */
function valid(node: Node): fc.Arbitrary<unknown> {
  switch (node.kind) {
    case "boolean":
      return fc.boolean();
    case "enum":
      return fc.constantFrom(...node.values);
    case "number": {
      const { minimum: min, maximum: max } = node;
      return node.integer ? fc.integer({ min, max }) : fc.double({ min, max, noNaN: true });
    }
    case "string":
      return fc.constantFrom(
        ...new Set([exampleOf(node), ...(node.examples ?? []), FORMS[node.form ?? "text"].example]),
      );
    case "array":
      return fc.array(valid(node.items), { maxLength: 3 });
    case "map": {
      const hash = fc.stringMatching(/^[0-9a-f]{8}$/);
      const written = node.names === "keyHash" ? hash : fc.constantFrom(FORMS[node.names ?? "tag"].example, "v2");
      const names = node.names === undefined ? fc.string() : written;
      return fc.dictionary(
        names.filter((name) => name !== "__proto__"),
        valid(node.values),
        { maxKeys: 3 },
      );
    }
    case "object": {
      const { required = [], anyOf } = node;
      const entries = Object.entries(node.keys).map(([key, child]) => [key, valid(child)] as const);
      const any = fc.record(Object.fromEntries(entries), { requiredKeys: [...required] as never[] });
      return anyOf === undefined ? any : any.filter((value) => anyOf.some((key) => key in value));
    }
  }
}

/** A copy in which one object or list has a value replaced, a key dropped, misspelt or added. */
function mutated(value: unknown, at: number, how: number, junk: unknown): unknown {
  const copy = structuredClone(value);
  const holders = [copy, ...inner(copy)].filter((one) => typeof one === "object" && one !== null) as Record<
    string,
    unknown
  >[];
  const holder = holders[at % holders.length] as Record<string, unknown>;
  const keys = Object.keys(holder);
  const key = keys[Math.floor(at / holders.length) % Math.max(1, keys.length)];
  if (Array.isArray(holder)) {
    if (holder.length === 0) holder.push(junk);
    else holder[Number(key)] = junk;
  } else if (key === undefined || how % 4 === 0) {
    holder[`${key ?? ""}x`] = junk;
  } else {
    if (how % 4 === 1) delete holder[key];
    else holder[key] = junk;
  }
  return copy;
}

function inner(value: unknown): readonly unknown[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap((one) => [one, ...inner(one)]);
}
