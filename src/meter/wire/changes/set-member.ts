import { findMember } from "../hidden-usage.ts";

/**
 * Sets a member of a JSON object by its path; every other byte stays as it was. The member goes to the end of its
 * object. Undefined where something else than an object is on the way.
 */
export function setMember(
  json: string,
  [key, ...inner]: readonly string[],
  value: string | number,
): string | undefined {
  if (key === undefined) return undefined;
  if (inner.length === 0) return append(without(json, key), key, JSON.stringify(value));
  const found = findMember(json, key);
  if (found === undefined) {
    const made = setMember("{}", inner, value);
    return made && append(json, key, made);
  }
  const open = json.indexOf("{", json.indexOf(":", found.from));
  const close = json.lastIndexOf("}", found.to - 1) + 1;
  if (open < 0 || close <= open || open >= found.to) return undefined;
  const changed = setMember(json.slice(open, close), inner, value);
  return changed && json.slice(0, open) + changed + json.slice(close);
}

/** A member may be there more than once; parsers take the last. */
function without(json: string, key: string): string {
  let rest = json;
  for (let found = findMember(rest, key); found !== undefined; found = findMember(rest, key)) {
    rest = rest.slice(0, found.from) + rest.slice(found.to);
  }
  return rest;
}

function append(json: string, key: string, value: string): string | undefined {
  const brace = json.lastIndexOf("}");
  if (brace < 0) return undefined;
  const comma = /\{\s*$/.test(json.slice(0, brace).slice(-100)) ? "" : ",";
  return `${json.slice(0, brace)}${comma}${JSON.stringify(key)}:${value}${json.slice(brace)}`;
}
