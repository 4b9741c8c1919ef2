import type { ScopeFields, ScopeNode } from "../../core/scope.ts";

/**
 * A scope as members of W3C baggage, all under our prefix. A member lists what it names outermost first, so that a child
 * in another process rolls up to the same accounts. The key stays behind: it is of each request.
 */

export const PREFIX = "spendfuse.";
/** Where a process or thread finds the scope that it was started in. */
export const SCOPE_VARIABLE = "SPENDFUSE_SCOPE";

/** Member by the kind of account that it lists. */
const MEMBERS = {
  agent: `${PREFIX}agents`,
  team: `${PREFIX}team`,
  project: `${PREFIX}project`,
  run: `${PREFIX}run`,
  conversation: `${PREFIX}conversation`,
  user: `${PREFIX}user`,
} as const;

/** Before the name of a tag. */
const TAG_PREFIX = `${PREFIX}tag.`;
const TAG_NAME = /^[a-z][a-z0-9_]*$/;
/** Tags that are read: who takes them knows which are declared. */
const MAX_TAGS_READ = 20;

type Kind = keyof typeof MEMBERS;
const KINDS = Object.keys(MEMBERS) as Kind[];

/** Of all members together, by the W3C's document. */
const MAX_LENGTH = 8_192;
const MAX_NAMES = 32;
const MAX_NAME = 200;
/** Is left as it is by nothing that writes names, so that it parts them. */
const BETWEEN = "|";
const UNKNOWN_AGENT = "agent:unknown";

/** The members of a scope; empty when there is nothing to say. */
export function writeMembers({ scope, accounts }: ScopeNode): string {
  const members: string[] = [];
  for (const kind of KINDS) addMember(members, MEMBERS[kind], namesOf(accounts, kind, scope[kind]));
  for (const tag in scope.tags) addMember(members, TAG_PREFIX + tag, namesOf(accounts, tag, scope.tags[tag]));
  return members.join(",");
}

/** The names of one kind, outermost first. */
function namesOf(accounts: readonly string[], kind: string, last: string | undefined): readonly string[] {
  const start = `${kind}:`;
  const names = accounts
    .filter((name) => name.startsWith(start) && name !== UNKNOWN_AGENT)
    .map((name) => name.slice(start.length));
  // Who is at work now may have been at work around itself, and is no account of its own then.
  if (names.length > 0 && last !== undefined && names.at(-1) !== last) names.push(last);
  return names;
}

function addMember(members: string[], name: string, values: readonly string[]): void {
  if (values.length === 0) return;
  members.push(`${name}=${values.map((value) => encodeURIComponent(value.toWellFormed())).join(BETWEEN)}`);
}

/**
 * The scopes that a baggage tells of, outermost first; empty when it tells of none. What is malformed or too long is
 * ignored without a warning: the sender is not ours.
 */
export function readMembers(baggage: string): readonly ScopeFields[] {
  if (baggage.length > MAX_LENGTH || !baggage.includes(PREFIX)) return [];
  const said: { [kind in Kind]?: readonly string[] } = {};
  const tags = new Map<string, readonly string[]>();
  for (const { name, value } of membersOf(baggage)) {
    const kind = KINDS.find((one) => MEMBERS[one] === name);
    const tag = name.startsWith(TAG_PREFIX) ? name.slice(TAG_PREFIX.length) : "";
    if (kind !== undefined) said[kind] = readNames(value);
    else if (TAG_NAME.test(tag) && tags.size < MAX_TAGS_READ) tags.set(tag, readNames(value));
  }
  const { agent: agents = [], ...others } = said;
  const depth = Math.max(1, ...[...Object.values(others), ...tags.values()].map((names) => names.length));
  const scopes: ScopeFields[] = [];
  for (let level = depth; level > 0; level--) {
    const fields: { -readonly [field in keyof ScopeFields]: ScopeFields[field] } = {};
    for (const [kind, names] of Object.entries(others) as [Exclude<Kind, "agent">, readonly string[]][]) {
      const name = names.at(-level);
      if (name !== undefined) fields[kind] = name;
    }
    const tagged = [...tags].flatMap(([tag, names]) => {
      const name = names.at(-level);
      return name === undefined ? [] : [[tag, name] as const];
    });
    if (tagged.length > 0) fields.tags = Object.fromEntries(tagged);
    // Around what is at work here: its frameworks name who that is.
    if (level === 1 && agents.length > 0) fields.parents = agents;
    scopes.push(fields);
  }
  return scopes.filter((fields) => Object.keys(fields).length > 0);
}

function readNames(value: string): readonly string[] {
  return value.split(BETWEEN, MAX_NAMES).map(decode).filter(isName);
}

/** A baggage with our members laid into it, in place of any before; undefined when it would be longer than it may be. */
export function addMembers(baggage: string | undefined, members: string): string | undefined {
  const others = baggage === undefined ? "" : dropMembers(baggage);
  const together = others === "" ? members : `${others},${members}`;
  return together.length > MAX_LENGTH ? undefined : together;
}

/** A baggage without any member under our prefix. */
export function dropMembers(baggage: string): string {
  if (!baggage.includes(PREFIX)) return baggage;
  return baggage
    .split(",")
    .filter((member) => !member.trimStart().startsWith(PREFIX))
    .join(",")
    .trim();
}

function* membersOf(baggage: string): Generator<{ readonly name: string; readonly value: string }> {
  for (const member of baggage.split(",")) {
    const [pair = ""] = member.split(";");
    const at = pair.indexOf("=");
    if (at > 0) yield { name: pair.slice(0, at).trim(), value: pair.slice(at + 1).trim() };
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

const isName = (name: string): boolean => name !== "" && name.length <= MAX_NAME;
