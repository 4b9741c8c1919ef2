import type OpenAI from "openai";
import type { VendorName } from "../vendor.ts";

/** The projects of an organization, and their keys. */
export async function namesOf({ projects }: OpenAI["admin"]["organization"]): Promise<readonly VendorName[]> {
  const names: VendorName[] = [];
  for await (const { id, name } of projects.list({ include_archived: true, limit: 100 })) {
    names.push({ kind: "project", id, name: name ?? id });
    for await (const one of projects.apiKeys.list(id, { limit: 100 }))
      names.push({ kind: "key", id: one.id, name: one.name ?? one.id });
  }
  return names;
}
