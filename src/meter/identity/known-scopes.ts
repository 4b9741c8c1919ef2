import { setBounded } from "../../core/bounded-map.ts";
import { nestScope, SCOPE_KINDS, type ScopeFields, type ScopeNode, type TagValues } from "../../core/scope.ts";
import { declaredTags } from "../../core/tags/tags.ts";
import type { Identity } from "./frameworks/framework.ts";
import type { NameWatch } from "./tag-collisions.ts";

/** The scopes made inside other scopes. Equal fields in the same scope share one node, which the guard recognises. */
export interface KnownScopes {
  /** By the scope around them, then by their fields in one string. */
  readonly byOuter: WeakMap<ScopeNode, Map<string, ScopeNode>>;
  readonly watchName: NameWatch;
  /** The names of the tags that the configuration declares. */
  readonly declared: () => readonly string[];
  /** Called with the name of a tag that is set and not declared. */
  readonly onUndeclared: (name: string) => void;
}

/** Scopes kept for one scope around them: there is no end of conversations and runs. */
const MAX_KNOWN = 500;
const MARK = "\u0001";
/** The key of an identity without any field. */
const NO_FIELDS = MARK.repeat(5);

export function createKnownScopes(options: Omit<KnownScopes, "byOuter">): KnownScopes {
  return { byOuter: new WeakMap(), ...options };
}

/** The scope of an identity inside `outer`; `outer` itself when the identity has no fields. */
export function nodeIn(known: KnownScopes, outer: ScopeNode, identity: Identity): ScopeNode {
  const key = textOf(known, identity);
  if (key === NO_FIELDS) return outer;
  const nodes = nodesIn(known, outer);
  let node = nodes.get(key);
  if (node === undefined) {
    const fields = fieldsOf(identity);
    node = nest(known, outer, fields);
    // A framework may name the same agent at each of its steps.
    const same = Object.keys(fields).join() === "agent" && node.scope.agent === outer.scope.agent;
    if (same) node = outer;
    setBounded(nodes, key, node, MAX_KNOWN);
  }
  return node;
}

/** The scope of a user's own fields inside `outer`. */
export function nodeWith(known: KnownScopes, outer: ScopeNode, fields: ScopeFields): ScopeNode {
  const { agent, team, project, key, run, conversation, user, parents, tags } = fields;
  const names = keyOf(parents && [...parents]);
  const text = `${agent ?? ""}${MARK}${team ?? ""}${MARK}${project ?? ""}${MARK}${key ?? ""}${MARK}${run ?? ""}${MARK}${conversation ?? ""}${MARK}${user ?? ""}${MARK}${names}${MARK}${tags === undefined ? "" : tagKey(known, tags)}`;
  const nodes = nodesIn(known, outer);
  let node = nodes.get(text);
  if (node === undefined) {
    node = nest(known, outer, fields);
    setBounded(nodes, text, node, MAX_KNOWN);
  }
  return node;
}

function nodesIn({ byOuter }: KnownScopes, outer: ScopeNode): Map<string, ScopeNode> {
  let nodes = byOuter.get(outer);
  if (nodes === undefined) {
    nodes = new Map();
    byOuter.set(outer, nodes);
  }
  return nodes;
}

function nest(
  { watchName, declared, onUndeclared }: KnownScopes,
  outer: ScopeNode,
  { tags: given, ...fields }: ScopeFields,
): ScopeNode {
  for (const name of fields.parents ?? []) watchName("agent", String(name));
  for (const kind of ["agent", "team", "project"] as const) {
    const name = fields[kind];
    if (name) watchName(kind, String(name));
  }
  const tags = given === undefined ? undefined : declaredTags(given, declared(), onUndeclared);
  for (const name in tags) watchName(name, String(given?.[name]));
  return nestScope(outer, tags === undefined ? fields : { ...fields, tags });
}

/** Agents' names in one string; empty without any. */
export function keyOf(agents: readonly string[] | undefined): string {
  return agents === undefined ? "" : agents.join("\u0002");
}

function textOf(known: KnownScopes, identity: Identity): string {
  const { agents, team, project, run, conversation, user, tags } = identity;
  const text = `${keyOf(agents)}${MARK}${team ?? ""}${MARK}${project ?? ""}${MARK}${run ?? ""}${MARK}${conversation ?? ""}${MARK}${user ?? ""}`;
  return tags === undefined ? text : `${text}${MARK}${tagKey(known, tags)}`;
}

/** With the declared names, which a later `start()` may change. */
function tagKey({ declared }: KnownScopes, tags: TagValues): string {
  return `${JSON.stringify(tags)}${declared().join()}`;
}

function fieldsOf({ agents, ...rest }: Identity): ScopeFields {
  const agent = agents?.at(-1);
  const parents = agents !== undefined && agents.length > 1 ? agents.slice(0, -1) : undefined;
  return present({ ...rest, ...(agent !== undefined && { agent }), ...(parents && { parents }) } as ScopeFields);
}

/** The fields that have a value. */
export function present(fields: ScopeFields): ScopeFields {
  const set: { [field: string]: unknown } = {};
  for (const kind of SCOPE_KINDS) {
    const value = fields[kind] as unknown;
    if (value !== undefined && value !== null && value !== "") set[kind] = value;
  }
  if (fields.parents !== undefined && fields.parents.length > 0) set.parents = fields.parents;
  if (typeof fields.tags === "object" && fields.tags !== null) set.tags = fields.tags;
  return set;
}
