import { expect, test } from "vitest";
import { KEY_VARIABLES, OTHER_VARIABLES, SCHEMA } from "../../src/config/compiled.ts";
import { exampleOf } from "../../src/config/suggestion.ts";
import { type Problem, validate } from "../../src/config/validator.ts";
import { unknownVariables } from "../../src/config/variables.ts";
import { type Place, places } from "./values.ts";

/** The word with one letter dropped, doubled, swapped with its neighbour or replaced, at every position. */
function misspellings(word: string): readonly string[] {
  return [...word].flatMap((letter, at) => {
    const [before, after] = [word.slice(0, at), word.slice(at + 1)];
    const swapped = before + after.slice(0, 1) + letter + after.slice(1);
    return [before + after, before + letter + letter + after, swapped, ..."qxte"].map((one) =>
      one.length === 1 && word.length > 1 ? before + one + after : one,
    );
  });
}

function problemsOf(place: Place, name: string): readonly Problem[] {
  const problems: Problem[] = [];
  validate(SCHEMA, place.with(name, exampleOf(place.node)), "", problems);
  return problems;
}

test("the words of a schema are all there", () => {
  expect(places().length).toBeGreaterThan(60);
  for (const place of places()) expect(problemsOf(place, place.name), place.path).toEqual([]);
});

test.each(places().map((place) => [place.path, place] as const))(
  "%s, misspelt by one letter, is named with its right spelling",
  (_, place) => {
    const wrong = misspellings(place.name).filter((name) => name !== "" && !place.siblings.includes(name));
    expect(wrong.length).toBeGreaterThan(8);
    for (const name of wrong) {
      const texts = problemsOf(place, name).map(({ says }) => says);
      const hit = texts.filter((text) => text.includes(`"${place.name}"`) && text.includes(name));
      expect(hit, `${name}: ${texts.join(" ")}`).toHaveLength(1);
      expect(hit[0]).toMatch(/did you mean|needs/);
    }
  },
);

const VARIABLES = [...Object.keys(KEY_VARIABLES), ...OTHER_VARIABLES];

test.each(VARIABLES)("%s, misspelt by one letter, is named with its right spelling", (name) => {
  for (const suffix of misspellings(name.slice("SPENDFUSE_".length).toLowerCase())) {
    const wrong = `SPENDFUSE_${suffix.toUpperCase()}`;
    if (VARIABLES.includes(wrong) || wrong === "SPENDFUSE_") continue;
    expect(unknownVariables({ [wrong]: "1" })).toEqual([{ name: wrong, hint: expect.stringContaining(name) }]);
  }
});
