import { type Scope, TAG_LENGTH, type TagValues, tagText } from "../scope.ts";

// Dimensions of the user's own, such as `feature` and `customer`: declared in the configuration.

/** The most tags that can be declared: each multiplies the series of a metric. */
export const MAX_TAGS = 5;
/** Values of a tag that metrics and stored rows show; those beyond add up in {@link OTHER}. */
export const MAX_TAG_VALUES = 100;
export const OTHER = "other";
/** The tag of stored rows that says what came of the work. It is on no metric. */
export const OUTCOME_TAG = "outcome";
/** The tag of stored rows of what bought nothing, with the reason: see `Waste`. It is on no metric. */
export const WASTE_TAG = "waste";
export const NO_TAGS: readonly string[] = [];

/** Names that our own attributes have, or that a backend sets or reserves itself. */
export const RESERVED_TAGS: readonly string[] = [
  ...["agent", "root_agent", "team", "project", "key", "run", "conversation", "user", "scope", "all", "tags", "day"],
  ...["provider", "model", "quality", "token_type", "ending", "stream", "priced", "reason", "mode", "budget", "step"],
  ...["vendor", "what", "problem", "process", "api_host", "outcome", "waste"],
  // Datadog, Prometheus and OpenTelemetry's exporters to it.
  ...["host", "device", "source", "service", "env", "version", "status"],
  ...["job", "instance", "le", "quantile", "otel_scope_name", "otel_scope_version"],
];

/** How a tag's name is written, as the source of a regular expression. */
export const TAG_NAME: string = `^(?!(${RESERVED_TAGS.join("|")})$)[a-z][a-z0-9_]{0,29}[a-z0-9]$`;

/** A value as Datadog writes it behind its tag's name; empty where nothing is left of it. */
export function tagValue(name: string, value: string): string {
  return tagText(value, TAG_LENGTH - Math.max(name.length, LONGEST_OWN.length) - 1);
}

const LONGEST_OWN = "root_agent";

/**
 * The values of declared tags, normalised; undefined without any. `given` may be of any type, because it is a caller's.
 * @param onUnknown Called with each name that is not declared.
 */
export function declaredTags(
  given: unknown,
  declared: readonly string[],
  onUnknown?: (name: string) => void,
): TagValues | undefined {
  if (typeof given !== "object" || given === null) return undefined;
  let found: Record<string, string> | undefined;
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue;
    if (!declared.includes(name)) onUnknown?.(name);
    else {
      const text = tagValue(name, String(value));
      if (text === "") continue;
      found ??= {};
      found[name] = text;
    }
  }
  return found;
}

/** Which values of tags are shown by name where their number must be bounded: the first that come. */
export interface TagBounds {
  /** By the tag's name. */
  readonly values: Map<string, Set<string>>;
  readonly max: number;
  /** By the object, because a scope's is shared by its calls. */
  readonly bounded: WeakMap<TagValues, TagValues>;
}

export function createTagBounds(max: number = MAX_TAG_VALUES): TagBounds {
  return { values: new Map(), max, bounded: new WeakMap() };
}

/** The value to show: itself, or {@link OTHER} once there are too many. */
export function boundValue({ values, max }: TagBounds, name: string, value: string): string {
  let shown = values.get(name);
  if (shown === undefined) {
    shown = new Set();
    values.set(name, shown);
  }
  if (value === OTHER || shown.has(value)) return value;
  if (shown.size >= max) return OTHER;
  shown.add(value);
  return value;
}

/** A scope's tags with the values to show; undefined without tags. */
export function boundTags(bounds: TagBounds, { tags }: Pick<Scope, "tags">): TagValues | undefined {
  if (tags === undefined) return undefined;
  let shown = bounds.bounded.get(tags);
  if (shown === undefined) {
    shown = Object.fromEntries(Object.entries(tags).map(([name, value]) => [name, boundValue(bounds, name, value)]));
    bounds.bounded.set(tags, shown);
  }
  return shown;
}

/** Tags in one text: `customer:acme,feature:chat`. A value never has a comma in it. Empty without tags. */
export function writeTags(tags: TagValues | undefined): string {
  if (tags === undefined) return "";
  return Object.entries(tags)
    .map(([name, value]) => `${name}:${value}`)
    .join(",");
}

/** The tags that {@link writeTags} wrote. */
export function readTags(text: string | undefined): TagValues {
  if (!text) return {};
  return Object.fromEntries(
    text.split(",").map((part) => [part.slice(0, part.indexOf(":")), part.slice(part.indexOf(":") + 1)]),
  );
}

/** Those of them that the user declared, as metrics have them. */
export function readOwnTags(text: string | undefined): TagValues {
  const { [OUTCOME_TAG]: _, [WASTE_TAG]: __, ...own } = readTags(text);
  return own;
}

/** The same row or group with another outcome among its tags; without any for undefined. */
export function withOutcome<T extends { readonly tags?: string }>(row: T, outcome: string | undefined): T {
  const { [OUTCOME_TAG]: _, ...others } = readTags(row.tags);
  const text = writeTags(outcome === undefined ? others : { ...others, [OUTCOME_TAG]: outcome });
  const { tags: __, ...rest } = row;
  return (text === "" ? rest : { ...rest, tags: text }) as T;
}
