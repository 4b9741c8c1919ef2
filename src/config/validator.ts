import { didYouMean, nearest } from "../core/nearest.ts";
import { FORMS } from "./forms.ts";
import type { ArrayNode, MapNode, Node, NumberNode, ObjectNode } from "./node.ts";
import { exampleOf, isRecord, isWithin, isWritten, suggest } from "./suggestion.ts";

/** One thing that is wrong with a value. */
export interface Problem {
  /** The path of the value, such as `budgets[1].usd`; a variable's name for a value of the environment. */
  readonly key: string;
  /** The sentence: place, fault, given value. */
  readonly says: string;
  /** What to write instead. */
  readonly fix: string;
  /** An unknown key can be ignored; anything else cannot. */
  readonly ignorable: boolean;
}

/**
 * Checks a value against its node. Unknown keys are problems that can be ignored, and are left out of what is returned;
 * the value itself is returned where nothing had to be left out.
 */
export function validate(node: Node, value: unknown, key: string, problems: Problem[]): unknown {
  switch (node.kind) {
    case "object":
      return validateObject(node, value, key, problems);
    case "array":
      return validateArray(node, value, key, problems);
    case "map":
      return validateMap(node, value, key, problems);
    default:
      if (!isValid(node, value)) problems.push(problemOf(node, value, key));
      return value;
  }
}

function isValid(node: Exclude<Node, ObjectNode | ArrayNode | MapNode>, value: unknown): boolean {
  switch (node.kind) {
    case "boolean":
      return typeof value === "boolean";
    case "enum":
      return node.values.includes(value as string);
    case "number":
      return typeof value === "number" && isWithin(node, value);
    case "string":
      return typeof value === "string" && isWritten(node, value);
  }
}

function validateObject(node: ObjectNode, value: unknown, key: string, problems: Problem[]): unknown {
  if (!isRecord(value)) {
    problems.push(problemOf(node, value, key));
    return value;
  }
  const known = Object.keys(node.keys);
  const present = Object.keys(value).filter((name) => value[name] !== undefined);
  const unknown = present.filter((name) => !Object.hasOwn(node.keys, name));
  const misspelt = checkNeeded(node, present, unknown, key, problems);
  for (const name of unknown) if (!misspelt.includes(name)) problems.push(unknownKey(name, known, key));
  const kept: Record<string, unknown> = {};
  let same = unknown.length === 0 && present.length === Object.keys(value).length;
  for (const name of present) {
    const child = node.keys[name];
    if (child === undefined || !Object.hasOwn(node.keys, name)) continue;
    kept[name] = validate(child, value[name], within(key, name), problems);
    same &&= kept[name] === value[name];
  }
  return same ? value : kept;
}

/** Reports missing required keys. Returns the unknown keys that are probably misspelt ones. */
function checkNeeded(
  node: ObjectNode,
  present: readonly string[],
  unknown: readonly string[],
  key: string,
  problems: Problem[],
): readonly string[] {
  const groups = [...(node.required ?? []).map((name) => [name]), ...(node.anyOf ? [node.anyOf] : [])];
  const missing = groups.filter((names) => !names.some((name) => present.includes(name)));
  return missing.flatMap((names) => {
    const meant = (name: string) => nearest(name, Object.keys(node.keys)).find((near) => names.includes(near));
    const instead = unknown.find((name) => meant(name) !== undefined);
    problems.push(needs(node, instead === undefined ? names : [meant(instead) as string], instead, key));
    return instead ?? [];
  });
}

function validateArray(node: ArrayNode, value: unknown, key: string, problems: Problem[]): unknown {
  if (!Array.isArray(value) || value.length > (node.most ?? value.length)) {
    problems.push(problemOf(node, value, key));
    return value;
  }
  const kept = value.map((item, index) => validate(node.items, item, `${key}[${index}]`, problems));
  return kept.every((item, index) => item === value[index]) ? value : kept;
}

function validateMap(node: MapNode, value: unknown, key: string, problems: Problem[]): unknown {
  if (!isRecord(value)) {
    problems.push(problemOf(node, value, key));
    return value;
  }
  const form = node.names === undefined ? undefined : FORMS[node.names];
  for (const [name, item] of Object.entries(value)) {
    if (form === undefined || new RegExp(form.pattern).test(name))
      validate(node.values, item, within(key, name), problems);
    // The name is not shown: it may be an API key, put there by mistake.
    else problems.push(problem(key, `${key}: each name must be ${form.says}`, fixOf(key, exampleOf(node))));
  }
  return value;
}

/** The place of a key: `breaker.url`, and `url` at the top. */
function within(place: string, name: string): string {
  return place === "" ? name : `${place}.${name}`;
}

function problemOf(node: Node, value: unknown, key: string): Problem {
  return problem(key, `${key} must be ${mustBe(node)}, not ${shown(value)}`, fixOf(key, suggest(node, value)));
}

function needs(node: ObjectNode, names: readonly string[], instead: string | undefined, key: string): Problem {
  const list = names.map((name) => `"${name}"`).join(" or ");
  const [first = ""] = names;
  const not = instead === undefined ? "" : `, not "${instead}"`;
  return problem(key, `${key} needs ${list}${not}`, fixOf(first, exampleOf(node.keys[first] as Node)));
}

function unknownKey(name: string, known: readonly string[], key: string): Problem {
  const hint = didYouMean(name, known) || `; known keys: ${known.join(", ")}`;
  const [near] = nearest(name, known);
  return {
    key: within(key, name),
    says: `unknown key "${within(key, name)}"${hint}`,
    fix: near === undefined ? `remove "${name}"` : `"${near}"`,
    ignorable: true,
  };
}

function problem(key: string, says: string, fix: string): Problem {
  return { key, says: `${says}; write ${fix}`, fix, ignorable: false };
}

function fixOf(key: string, value: unknown): string {
  if (key.startsWith("SPENDFUSE_")) return `${key}=${Array.isArray(value) ? value.join(",") : value}`;
  const name = /\[\d+\]$/.test(key) ? undefined : key.slice(key.lastIndexOf(".") + 1);
  const text = JSON.stringify(value, null, 1).replace(/\n */g, " ");
  return name ? `"${name}": ${text}` : text;
}

function mustBe(node: Node): string {
  switch (node.kind) {
    case "string":
      return FORMS[node.form ?? "text"].says;
    case "boolean":
      return "true or false";
    case "enum":
      return `one of ${node.values.join(", ")}`;
    case "number":
      return `a ${node.integer ? "whole number" : "number"} ${rangeOf(node)}`;
    case "array":
      return node.most === undefined ? "a list" : `a list of at most ${node.most}`;
    default:
      return "an object";
  }
}

function rangeOf({ minimum, maximum }: NumberNode): string {
  return maximum === Number.MAX_SAFE_INTEGER ? `of ${minimum} or more` : `from ${minimum} to ${maximum}`;
}

const MOST_SHOWN = 60;

/** A value as messages show it: short, and without what may be the credentials of an address. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  if (typeof value !== "string") return String(value);
  const text = value.replace(/^.*@/s, "…@");
  return JSON.stringify(text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text);
}
