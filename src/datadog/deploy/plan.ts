import type { Asset } from "../assets.ts";
import { isMark, type Mark, readMark, withMark, withoutMark } from "./mark.ts";
import { hashOf, isSame, joinUnits, pickLike, splitUnits, unitNames } from "./units.ts";
import type { Body, Wanted } from "./wanted.ts";

/** A dashboard or monitor of the account. */
export interface Found {
  readonly kind: Asset["kind"];
  readonly id: string | number;
  readonly body: Body;
}

/** What to do with one managed resource. */
export type Step =
  | { readonly action: "create"; readonly wanted: Wanted; readonly body: Body }
  | {
      readonly action: "update";
      readonly wanted: Wanted;
      readonly found: Found;
      readonly body: Body;
      readonly changes: readonly UnitChange[];
      /** Units that a user edited and that stay as they are. */
      readonly kept: readonly string[];
    }
  | { readonly action: "keep"; readonly wanted: Wanted; readonly found: Found; readonly kept: readonly string[] }
  /** Managed, and no longer shipped. */
  | { readonly action: "leave"; readonly key: string; readonly found: Found };

export interface UnitChange {
  readonly unit: string;
  readonly from: unknown;
  readonly to: unknown;
}

export interface PlanOptions {
  /** Whether users' edits are undone. */
  readonly overwrite: boolean;
  /** The prefix of the keys that are managed here; empty for keys without one. */
  readonly slug: string;
}

/** The steps that bring an account to the wanted state. Pure: recognises managed resources by their marks alone. */
export function planSteps(wanted: readonly Wanted[], found: readonly Found[], options: PlanOptions): readonly Step[] {
  const ours = new Map<string, { readonly found: Found; readonly mark: Mark }>();
  for (const one of found) {
    const mark = readMark(one.kind, one.body);
    if (mark !== undefined && isUnder(mark.key, options.slug))
      ours.set(`${one.kind} ${mark.key}`, { found: one, mark });
  }
  const steps = wanted.map((one): Step => {
    const known = ours.get(`${one.kind} ${one.key}`);
    ours.delete(`${one.kind} ${one.key}`);
    return known === undefined ? planNew(one) : planChange(one, known.found, known.mark, options.overwrite);
  });
  const left = [...ours.values()].map(({ found: one, mark }): Step => ({ action: "leave", key: mark.key, found: one }));
  return [...steps, ...left];
}

/** Whether a key has this prefix. */
export function isUnder(key: string, slug: string): boolean {
  return slug === "" ? !key.includes("/") : key.startsWith(`${slug}/`);
}

function planNew(wanted: Wanted): Step {
  const { kind, key, body } = wanted;
  const units = splitUnits(kind, body);
  const applied = unitNames(kind).map((name) => hashOf(units.get(name)));
  return { action: "create", wanted, body: withMark(kind, body, { key, applied }) };
}

function planChange(wanted: Wanted, found: Found, mark: Mark, overwrite: boolean): Step {
  const { kind, key } = wanted;
  const theirs: Body =
    kind === "dashboard" ? { ...found.body, description: withoutMark(found.body.description) } : found.body;
  const ourUnits = splitUnits(kind, wanted.body);
  const theirUnits = splitUnits(kind, theirs);
  const changes: UnitChange[] = [];
  const kept: string[] = [];
  const applied: string[] = [];
  const chosen: unknown[] = [];
  for (const [index, name] of unitNames(kind).entries()) {
    const ours = ourUnits.get(name);
    const there = pickLike(theirUnits.get(name), ours);
    const last = mark.applied[index] ?? "";
    if (isSame(ours, there)) {
      applied.push(hashOf(ours));
      chosen.push(theirUnits.get(name));
      // Datadog drops a default that was sent, and could take another when it is missing.
      if (name === "options") chosen.push(ours);
    } else if (overwrite || hashOf(there) === last) {
      changes.push({ unit: name, from: there, to: ours });
      applied.push(hashOf(ours));
      // What Datadog or a user added stays.
      if (name === "options" || name === "alert") chosen.push(theirUnits.get(name));
      chosen.push(ours);
    } else {
      // Only a change of the shipped file would overwrite it, or --overwrite.
      kept.push(name);
      applied.push(last);
      chosen.push(theirUnits.get(name));
    }
  }
  const own = ((found.body.tags ?? []) as readonly string[]).filter((tag) => !isMark(tag));
  const tags = kind === "monitor" ? { tags: wanted.body.tags } : {};
  const missing = ((wanted.body.tags ?? []) as readonly string[]).filter((tag) => !own.includes(tag));
  if (kind === "monitor" && missing.length > 0) changes.push({ unit: "tags", from: own, to: [...own, ...missing] });
  if (changes.length === 0) return { action: "keep", wanted, found, kept };
  const body = withMark(kind, { ...unmanagedFields(found), ...joinUnits(chosen), ...tags }, { key, applied }, own);
  return { action: "update", wanted, found, body: kind === "monitor" ? withoutServerParts(body) : body, changes, kept };
}

/** What the shipped files do not set and a full update would remove. */
function unmanagedFields({ kind, body }: Found): Body {
  if (kind === "monitor") return {};
  const names = ["notify_list", "tags", "template_variable_presets", "restricted_roles"];
  return Object.fromEntries(names.flatMap((name) => (body[name] ? [[name, body[name]]] : [])));
}

/** Options that only Datadog sets. */
function withoutServerParts(body: Body): Body {
  const { silenced: _, avalanche_window: __, ...options } = (body.options ?? {}) as Body;
  return { ...body, options };
}
