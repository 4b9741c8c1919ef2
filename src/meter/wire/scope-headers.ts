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
export type SaidScope = { readonly [field in Field]?: string };

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
 */
export function readScopeHeaders(headers: unknown): SaidScope | undefined {
  if (typeof headers !== "object" || headers === null) return undefined;
  let scope: { [field in Field]?: string } | undefined;
  if (typeof (headers as Headers).get === "function") {
    for (const [field, name] of FIELDS) {
      const value = (headers as Headers).get(name);
      if (value) scope = { ...scope, [field]: value };
    }
    return scope ?? (isOurs(BAGGAGE, (headers as Headers).get(BAGGAGE)) ? NOTHING : undefined);
  }
  let carried = false;
  const look = (name: string, value: unknown): void => {
    if (!isOurs(name, value)) return;
    const lower = name.toLowerCase();
    const field = FIELDS.find(([, own]) => own === lower)?.[0];
    if (field !== undefined && value) scope = { ...scope, [field]: String(value) };
    carried ||= lower === BAGGAGE;
  };
  if (Symbol.iterator in headers) for (const [name, value] of headers as Iterable<[string, unknown]>) look(name, value);
  else for (const name in headers) look(name, (headers as Record<string, unknown>)[name]);
  return scope ?? (carried ? NOTHING : undefined);
}

/** A copy of the headers without ours; the caller's object is not changed. */
export function dropScopeHeaders(headers: unknown): HeadersInit {
  if (typeof (headers as Headers).get === "function") {
    const copy = new Headers(headers as Headers);
    for (const [, name] of FIELDS) copy.delete(name);
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
