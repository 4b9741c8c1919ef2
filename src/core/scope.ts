/** Who a call belongs to, as given by the caller. Every field is optional and is inherited by inner scopes. */
export interface ScopeFields {
  readonly agent?: string;
  readonly team?: string;
  readonly project?: string;
  /** An alias of the API key, never the key. */
  readonly key?: string;
  /** Unbounded: spans and ledger only, never a metric. */
  readonly run?: string;
  /** Unbounded: spans and ledger only, never a metric. */
  readonly conversation?: string;
  /** Unbounded: spans and ledger only, never a metric. */
  readonly user?: string;
  /** Values of the tags that the configuration declares, such as `{ customer: "acme" }`. Others are ignored. */
  readonly tags?: TagValues;
  /**
   * The agents that this one works for, outermost first, where no enclosing scope names them: an agent in another process,
   * or one whose framework does not expose its name. The first is the root. Without an `agent` the innermost of them
   * makes the calls that no framework names.
   */
  readonly parents?: readonly string[];
}

/** Values of tags by their names. In a scope they are normalised, and in the order of their names. */
export type TagValues = Readonly<Record<string, string>>;

/** Who a call belongs to. `rootAgent` is the agent of the outermost scope. */
export interface Scope extends Omit<ScopeFields, "parents"> {
  readonly agent: string;
  readonly rootAgent: string;
}

/** A scope with the accounts it adds up in: its own and, rolled up, those of the scopes around it. */
export interface ScopeNode {
  readonly scope: Scope;
  /** Distinct account names such as `agent:researcher`, `team:search`, `run:42`. */
  readonly accounts: readonly string[];
  /** Owned by the guard: the counts that apply to the scope. */
  plan: unknown;
}

export const UNKNOWN_AGENT = "unknown";
/** What Datadog shows for a tag that a series does not have, as tags are written. */
export const UNTAGGED = "n/a";

/** The dimensions a scope can be accounted and limited by. */
export const SCOPE_KINDS = ["agent", "team", "project", "key", "run", "conversation", "user"] as const;
export type ScopeKind = (typeof SCOPE_KINDS)[number];

/** The characters that a tag may have, its key and the colon included. */
export const TAG_LENGTH = 200;

/**
 * Text of a tag as Datadog writes it: lower case; letters and digits of any script and `- : . /`, everything else as
 * `_`, one for each run; no `_` or `:` at the end; at most `max` characters. Equal for what was written so already.
 */
export function tagText(text: string, max: number): string {
  const tag = text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\-:./]+/gu, "_");
  return (tag.length > max ? [...tag].slice(0, max).join("") : tag).replace(/[_:]+$/, "");
}

/** The longest key that a scope's value has as a tag, with its colon. */
const LONGEST_KEY = "root_agent:";

/**
 * A name as Datadog writes it in a tag, by {@link tagText}, short enough for the longest key. Done here so that the name
 * in a webhook is the name in the ledger.
 */
export function normalizeTag(value: string): string {
  return tagText(value, TAG_LENGTH - LONGEST_KEY.length) || UNKNOWN_AGENT;
}

/**
 * A scope nested in `parent`, with `fields` overriding inherited ones; their tags are declared and normalised, by
 * `declaredTags`. `parent` is absent for an outermost scope.
 */
export function nestScope(parent: ScopeNode | undefined, fields: ScopeFields): ScopeNode {
  const given: Record<string, string> = {};
  for (const kind of SCOPE_KINDS) {
    const value = fields[kind] as unknown;
    if (value === undefined || value === null || value === "") continue;
    given[kind] = TAGGED.has(kind) ? normalizeTag(String(value)) : String(value);
  }
  const outer = parent?.scope;
  const parents = parentsOf(fields);
  const agent = given.agent ?? parents.at(-1) ?? outer?.agent ?? UNKNOWN_AGENT;
  const rootAgent = outer && outer.rootAgent !== UNKNOWN_AGENT ? outer.rootAgent : (parents[0] ?? agent);
  const tags = nestTags(outer?.tags, fields.tags);
  const scope: Scope = { ...outer, ...given, agent, rootAgent, ...(tags && { tags }) };
  const accounts = new Set(parent?.accounts);
  for (const name of parents) accounts.add(`agent:${name}`);
  for (const kind of SCOPE_KINDS) {
    const value = scope[kind];
    if (value !== undefined) accounts.add(`${kind}:${value}`);
  }
  for (const name in tags) accounts.add(`${name}:${tags[name]}`);
  if (agent !== UNKNOWN_AGENT) accounts.delete(`agent:${UNKNOWN_AGENT}`);
  return { scope, accounts: [...accounts], plan: undefined };
}

/** In the order of names: as metrics the same tags must be one series, however they were set. */
function nestTags(outer: TagValues | undefined, own: TagValues | undefined): TagValues | undefined {
  if (own === undefined) return outer;
  const all = { ...outer, ...own };
  return Object.fromEntries(
    Object.keys(all)
      .sort()
      .map((name) => [name, all[name] as string]),
  );
}

function parentsOf({ parents }: ScopeFields): readonly string[] {
  const names: readonly unknown[] = Array.isArray(parents) ? parents : NO_PARENTS;
  return names.length === 0
    ? NO_PARENTS
    : names.filter((name) => name !== "").map((name) => normalizeTag(String(name)));
}

const NO_PARENTS: readonly string[] = [];
/** Kinds whose values become tags. */
export const TAGGED: ReadonlySet<string> = new Set(["agent", "team", "project", "key"]);
