/** Tags of a series by key. A key may have several values, as a host's tags do. */
export type Tags = ReadonlyMap<string, readonly string[]>;

const LENGTH = 200;

/** One tag as Datadog writes it: lower case, at most 200 characters with its key; undefined when nothing is left. */
export function normalizeTag(tag: string): string | undefined {
  const text = tag
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_\-:./]/gu, "_")
    .replace(/^[^\p{L}]+/u, "")
    .slice(0, LENGTH)
    .replace(/[\ud800-\udbff]$/, "")
    .replace(/:+$/, "");
  return text === "" ? undefined : text;
}

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
