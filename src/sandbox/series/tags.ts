import { TAG_LENGTH, tagText } from "../../core/scope.ts";

/** Tags of a series by key. A key may have several values, as a host's tags do. */
export type Tags = ReadonlyMap<string, readonly string[]>;

/** One tag as Datadog writes it, with its key; undefined when nothing is left. A tag begins with a letter. */
export function normalizeTag(tag: string): string | undefined {
  return tagText(tag.trim().replace(/^[^\p{L}]+/u, ""), TAG_LENGTH) || undefined;
}

/** Characters of a metric's name. */
const LENGTH = 200;

/** A metric's name as Datadog writes it; undefined when it cannot be one. */
export function normalizeMetric(name: string): string | undefined {
  const text = name.replace(/[^A-Za-z0-9_.]/g, "_").slice(0, LENGTH);
  return /^[A-Za-z]/.test(text) ? text : undefined;
}

/** The tags of a series out of `key:value` texts. A tag without a value has the empty one. */
export function toTags(texts: readonly string[]): Tags {
  const tags = new Map<string, string[]>();
  for (const text of new Set(texts)) {
    const normal = normalizeTag(text);
    if (normal === undefined) continue;
    const colon = normal.indexOf(":");
    const key = colon < 0 ? normal : normal.slice(0, colon);
    const value = colon < 0 ? "" : normal.slice(colon + 1);
    const values = tags.get(key);
    if (values === undefined) tags.set(key, [value]);
    else if (!values.includes(value)) values.push(value);
  }
  return tags;
}

/** The same text for equal tags, in whatever order they came. */
export function keyOfTags(tags: Tags): string {
  const texts: string[] = [];
  for (const [key, values] of tags) for (const value of values) texts.push(`${key}:${value}`);
  return texts.sort().join(",");
}
