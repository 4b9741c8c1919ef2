import { expect, test } from "vitest";
import { reference } from "../../build/reference.ts";
import { METRICS } from "../../src/core/names.ts";
import * as entry from "../../src/index.ts";

const text = reference();

test.each(Object.keys(entry))("the reference has %s, and says something of it", (name) => {
  expect(text).toMatch(new RegExp(`### \`${name}\`\\n\\n\`\`\`ts\\n(?:class )?${name}[\\s\\S]+?\`\`\`\\n\\n\\w.{20}`));
});

test.each(Object.values(METRICS))("the reference has $name with its unit", ({ name, unit, kind }) => {
  expect(text).toContain(`| \`${name}\` | ${kind} | ${unit} |`);
});
