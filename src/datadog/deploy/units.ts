import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Asset } from "../assets.ts";
import { meaningOf, monitorType } from "../stored.ts";
import type { Body } from "./wanted.ts";

/** A part of a monitor or a dashboard that is changed, or kept, as a whole. */
export type Units = ReadonlyMap<string, unknown>;

/** Query and thresholds must agree, so they are one unit. */
const MONITOR = ["alert", "message", "name", "priority", "options"] as const;
const DASHBOARD = ["title", "description", "widgets", "variables"] as const;

export function unitNames(kind: Asset["kind"]): readonly string[] {
  return kind === "monitor" ? MONITOR : DASHBOARD;
}

/** Splits a body into its units. */
export function splitUnits(kind: Asset["kind"], body: Body): Units {
  if (kind === "dashboard") {
    const { title, description, widgets, template_variables, layout_type, reflow_type } = body;
    return new Map<string, unknown>([
      ["title", { title }],
      ["description", { description }],
      ["widgets", { widgets, layout_type, reflow_type }],
      ["variables", { template_variables }],
    ]);
  }
  const { query, type, message, name, priority } = body;
  const { thresholds, threshold_windows, ...options } = (body.options ?? {}) as Body;
  return new Map<string, unknown>([
    ["alert", { query, type: monitorType(String(type), String(query)), options: { thresholds, threshold_windows } }],
    ["message", { message }],
    ["name", { name }],
    ["priority", { priority }],
    ["options", { options }],
  ]);
}

/** Merges units; later ones win. */
export function joinUnits(parts: readonly unknown[]): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const part of parts) {
    const { options, ...rest } = part as Record<string, unknown>;
    Object.assign(body, dropUndefined(rest));
    if (options !== undefined) body.options = { ...(body.options as object), ...dropUndefined(options as Body) };
  }
  return body;
}

function dropUndefined(body: Body): Body {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

/** The fields of `theirs` that `ours` has: fields that Datadog adds are dropped. */
export function pickLike(theirs: unknown, ours: unknown): unknown {
  if (Array.isArray(ours)) {
    if (!Array.isArray(theirs)) return theirs;
    return theirs.map((one, index) => (index < ours.length ? pickLike(one, ours[index]) : one));
  }
  if (typeof ours !== "object" || ours === null) return theirs ?? undefined;
  if (typeof theirs !== "object" || theirs === null || Array.isArray(theirs)) return theirs ?? undefined;
  const picked: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(ours)) {
    const found = pickLike((theirs as Body)[key], value);
    if (found !== undefined) picked[key] = found;
  }
  return picked;
}

/** Whether two values mean the same to Datadog, which trims and drops. */
export function isSame(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(meaningOf(a), meaningOf(b));
}

/** Six hex digits that identify a unit's content. */
export function hashOf(unit: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(meaningOf(unit)) ?? "")
    .digest("hex")
    .slice(0, 6);
}
