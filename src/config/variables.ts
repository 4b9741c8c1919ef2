import { nearest } from "../core/nearest.ts";
import { KEY_VARIABLES, OTHER_VARIABLES, SCHEMA } from "./compiled.ts";
import { variableOf } from "./node.ts";

const PREFIX = "SPENDFUSE_";

/** Set by spendfuse for its child processes, or by the tests; or of a tag, which is checked where tags are known. */
const OTHERS = /^SPENDFUSE_(SENDER$|TEST_|TAG_|SCREENSHOTS$)/;

/** The unknown `SPENDFUSE_*` variables that are set, each with a suggestion: `; did you mean …?`. */
export function unknownVariables(
  env: Readonly<Record<string, string | undefined>>,
): readonly { readonly name: string; readonly hint: string }[] {
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && env[name] && !isKnown(name))
    .map((name) => ({ name, hint: hintOf(name) }));
}

function isKnown(name: string): boolean {
  return Object.hasOwn(KEY_VARIABLES, name) || OTHER_VARIABLES.includes(name) || OTHERS.test(name);
}

function hintOf(name: string): string {
  const names = Object.keys(KEY_VARIABLES);
  const ruled = names.find((known) => variableOf(KEY_VARIABLES[known] ?? []) === name);
  if (ruled !== undefined) return `; did you mean ${ruled}?`;
  const key = Object.keys(SCHEMA.keys).find((one) => variableOf([one]) === name);
  if (key !== undefined) return `; "${key}" has no variable of its own: set it in the file, or in SPENDFUSE_CONFIG`;
  const suffixes = [...names, ...OTHER_VARIABLES].map((known) => known.slice(PREFIX.length));
  const near = nearest(name.slice(PREFIX.length), suffixes);
  return near.length === 0 ? "" : `; did you mean ${near.map((suffix) => PREFIX + suffix).join(" or ")}?`;
}
