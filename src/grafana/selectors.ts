import type { Filter } from "../datadog/query/filter.ts";
import { labelOf } from "./metric-name.ts";
import { Untranslated } from "./untranslated.ts";

/** One comparison of a label, such as `ending!="blocked"`. */
interface Matcher {
  readonly label: string;
  readonly sign: "=" | "!=" | "=~" | "!~";
  readonly value: string;
}

/** Selectors have no "or" across labels, so that a filter may need several; whoever matches one of them is meant. */
const MAX_SELECTORS = 16;

/** The series of a metric that a Datadog filter matches, as selectors. @throws Untranslated */
export function selectorsOf(name: string, filter: Filter): readonly string[] {
  const alternatives = expand(filter, false);
  if (alternatives.length > MAX_SELECTORS) throw new Untranslated("the filter has too many alternatives");
  const texts = alternatives.map((matchers) => {
    const inner = matchers.map(({ label, sign, value }) => `${label}${sign}${JSON.stringify(value)}`).join(", ");
    return inner === "" ? name : `${name}{${inner}}`;
  });
  return [...new Set(texts)];
}

/** The filter as alternatives of matchers that all apply. */
function expand(filter: Filter, negated: boolean): readonly (readonly Matcher[])[] {
  switch (filter.type) {
    case "all":
      return negated ? [] : [[]];
    case "not":
      return expand(filter.of, !negated);
    case "tag":
      return [[tagMatcher(filter.key, filter.value, negated)]];
    case "variable": {
      // Grafana writes a variable that follows =~ as a regular expression.
      const label = labelOf(filter.key ?? filter.name);
      return [[{ label, sign: negated ? "!~" : "=~", value: `$${filter.name}` }]];
    }
    default: {
      const merged = mergeValues(filter.of, filter.type, negated);
      if (merged !== undefined) return [[merged]];
      const parts = filter.of.map((part) => expand(part, negated));
      return (filter.type === "and") !== negated ? product(parts) : parts.flat();
    }
  }
}

function product(parts: readonly (readonly (readonly Matcher[])[])[]): readonly (readonly Matcher[])[] {
  let all: readonly (readonly Matcher[])[] = [[]];
  for (const part of parts) {
    all = all.flatMap((before) => part.map((after) => [...before, ...after]));
    if (all.length > MAX_SELECTORS) throw new Untranslated("the filter has too many alternatives");
  }
  return all;
}

function tagMatcher(key: string, value: string, negated: boolean): Matcher {
  if (value === "") throw new Untranslated(`the tag ${key} has no value, and labels have one`);
  const label = labelOf(key);
  if (!value.includes("*")) return { label, sign: negated ? "!=" : "=", value };
  return { label, sign: negated ? "!~" : "=~", value: value.split("*").map(literal).join(".*") };
}

/** `a:x OR a:y` as one matcher. */
function mergeValues(of: readonly Filter[], type: "and" | "or", negated: boolean): Matcher | undefined {
  if (type !== "or") return undefined;
  const tags = of.flatMap((part) => (part.type === "tag" && part.value !== "" ? [part] : []));
  const key = tags[0]?.key;
  if (key === undefined || tags.length < of.length || tags.some((tag) => tag.key !== key)) return undefined;
  const value = tags.map((tag) => tag.value.split("*").map(literal).join(".*")).join("|");
  return { label: labelOf(key), sign: negated ? "!~" : "=~", value };
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
