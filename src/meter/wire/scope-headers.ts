import type { TagValues } from "../../core/scope.ts";
import { NO_TAGS } from "../../core/tags/tags.ts";
import { dropMembers, PREFIX } from "../propagation/baggage.ts";

/** Headers of a request to a model that carry its scope, by field. They are ours, and removed before it is sent. */
export const SCOPE_HEADERS = {
  agent: "x-spendfuse-agent",
  team: "x-spendfuse-team",
  project: "x-spendfuse-project",
  run: "x-spendfuse-run",
  conversation: "x-spendfuse-conversation",
  user: "x-spendfuse-user",
} as const;

type Field = keyof typeof SCOPE_HEADERS;

/** The scope in these headers. */
export type SaidScope = { readonly [field in Field]?: string } & {
  /** As they were written: neither checked nor normalised. */
  readonly tags?: TagValues;
};

/** The header of a declared tag begins with this, and ends with its name, with `-` or `_`. */
export const TAG_HEADER = "x-spendfuse-tag-";

const OURS = "x-spendfuse-";
export const BAGGAGE = "baggage";
const FIELDS = Object.entries(SCOPE_HEADERS) as [Field, string][];
const NOTHING: SaidScope = {};

/** Whether a header is ours, or a baggage with our entries. */
export function isOurs(name: unknown, value: unknown): boolean {
  if (typeof name !== "string" || name.length < BAGGAGE.length) return false;
  // For most headers the length alone rules them out.
  if (name.length > BAGGAGE.length) return isScopeHeader(name);
  return name.toLowerCase() === BAGGAGE && String(value).includes(PREFIX);
}

/** Whether a header of this name, in lower case, can be such a one. */
export const mayBeOurs = (name: string): boolean => name === BAGGAGE || name.startsWith(OURS);

/** Whether a head, as text, may have such a header: false for most. */
export const mayHoldOurs = (head: string): boolean => OURS_IN_HEAD.test(head);

const OURS_IN_HEAD = new RegExp(`^(?:${OURS}|${BAGGAGE}:)`, "im");

/** What remains of such a header: other members of a baggage. */
export function restOf(name: string, value: unknown): string | undefined {
  return isScopeHeader(name) ? undefined : dropMembers(String(value)) || undefined;
}

/** Whether a header of this name is ours alone. */
function isScopeHeader(name: string): boolean {
  return name.length > OURS.length && name.toLowerCase().startsWith(OURS);
}

/**
 * The scope in headers, in any of the forms that fetch accepts: undefined without one. Our entries in `baggage` do not
 * describe a request to a model, but have to be removed as well.
 * @param tags The declared ones: headers of others are not read.
 */
export function readScopeHeaders(headers: unknown, tags: readonly string[] = NO_TAGS): SaidScope | undefined {
  if (typeof headers !== "object" || headers === null) return undefined;
  if (typeof (headers as Headers).get === "function") return readGiven(headers as Headers, tags);
  const said: Said = { scope: undefined, tags: undefined, ours: false };
  if (Symbol.iterator in headers) {
    for (const [name, value] of headers as Iterable<[string, unknown]>) readOne(said, name, value, tags);
  } else for (const name in headers) readOne(said, name, (headers as Record<string, unknown>)[name], tags);
  if (said.tags !== undefined) return { ...said.scope, tags: said.tags };
  return said.scope ?? (said.ours ? NOTHING : undefined);
}

/** What has been found of a scope so far. */
interface Said {
  scope: { [field in Field]?: string } | undefined;
  tags: Record<string, string> | undefined;
  /** There is something to remove. */
  ours: boolean;
}

function readGiven(headers: Headers, tags: readonly string[]): SaidScope | undefined {
  let scope: { [field in Field]?: string } | undefined;
  for (const [field, name] of FIELDS) {
    const value = headers.get(name);
    if (value) scope = { ...scope, [field]: value };
  }
  let found: Record<string, string> | undefined;
  for (const tag of tags) {
    const value = headers.get(TAG_HEADER + tag) ?? headers.get(TAG_HEADER + tag.replaceAll("_", "-"));
    if (value) found = { ...found, [tag]: value };
  }
  if (found !== undefined) return { ...scope, tags: found };
  return scope ?? (isOurs(BAGGAGE, headers.get(BAGGAGE)) ? NOTHING : undefined);
}

function readOne(said: Said, name: string, value: unknown, tags: readonly string[]): void {
  if (!isOurs(name, value)) return;
  const lower = name.toLowerCase();
  said.ours ||= lower === BAGGAGE || lower.startsWith(TAG_HEADER);
  if (!value) return;
  const field = FIELDS.find(([, own]) => own === lower)?.[0];
  if (field !== undefined) said.scope = { ...said.scope, [field]: String(value) };
  if (!lower.startsWith(TAG_HEADER)) return;
  const written = lower.slice(TAG_HEADER.length).replaceAll("-", "_");
  const tag = tags.find((one) => one === written);
  if (tag !== undefined) said.tags = { ...said.tags, [tag]: String(value) };
}

/** A copy of the headers without ours; the caller's object is not changed. */
export function dropScopeHeaders(headers: unknown): HeadersInit {
  if (typeof (headers as Headers).get === "function") {
    const copy = new Headers(headers as Headers);
    for (const name of [...copy.keys()]) if (isScopeHeader(name)) copy.delete(name);
    const rest = restOf(BAGGAGE, copy.get(BAGGAGE) ?? "");
    if (rest === undefined) copy.delete(BAGGAGE);
    else copy.set(BAGGAGE, rest);
    return copy;
  }
  const isList = Symbol.iterator in (headers as object);
  const pairs = isList ? [...(headers as Iterable<[string, string]>)] : Object.entries(headers as object);
  const kept = pairs.flatMap(([name, value]): [string, string][] => {
    if (!isOurs(name, value)) return [[name, value]];
    const rest = restOf(name, value);
    return rest === undefined ? [] : [[name, rest]];
  });
  return isList ? kept : Object.fromEntries(kept);
}
