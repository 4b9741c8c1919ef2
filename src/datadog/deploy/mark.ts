import type { Asset } from "../assets.ts";
import { type Body, MANAGED, ownTags } from "./wanted.ts";

/** How managed resources are recognised: by tags, or for a dashboard by the last line of its description. */
export interface Mark {
  readonly key: string;
  /** Hashes of the units as they were last applied, in their order; empty when a user removed them. */
  readonly applied: readonly string[];
}

const KEY = "spendfuse:";
const APPLIED = "spendfuse_applied:";
const LINE = /\n*\(spendfuse (\S+) ([0-9a-f-]*)\)\s*$/;

/** Undefined for resources that spendfuse does not manage. */
export function readMark(kind: Asset["kind"], body: Body): Mark | undefined {
  if (kind === "dashboard") {
    const [, key, hashes = ""] = LINE.exec(String(body.description ?? "")) ?? [];
    return key === undefined ? undefined : { key, applied: split(hashes) };
  }
  const tags = (body.tags ?? []) as readonly string[];
  const key = tags.find((tag) => tag.startsWith(KEY))?.slice(KEY.length);
  if (key === undefined || !tags.includes(MANAGED)) return undefined;
  return { key, applied: split(tags.find((tag) => tag.startsWith(APPLIED))?.slice(APPLIED.length) ?? "") };
}

function split(hashes: string): readonly string[] {
  return hashes === "" ? [] : hashes.split("-");
}

/** A dashboard's description without the mark. */
export function withoutMark(description: unknown): string {
  return String(description ?? "").replace(LINE, "");
}

/** The body with its mark. @param kept Tags of the account's own that stay. */
export function withMark(kind: Asset["kind"], body: Body, { key, applied }: Mark, kept: readonly string[] = []): Body {
  const hashes = applied.join("-");
  if (kind === "dashboard") {
    const text = withoutMark(body.description);
    return { ...body, description: `${text}${text === "" ? "" : "\n\n"}(spendfuse ${key} ${hashes})` };
  }
  const others = [...((body.tags ?? []) as readonly string[]), ...kept].filter((tag) => !isMark(tag));
  return { ...body, tags: [...new Set([...others, ...ownTags(key), `${APPLIED}${hashes}`])] };
}

export function isMark(tag: string): boolean {
  return tag.startsWith(KEY) || tag.startsWith(APPLIED);
}
