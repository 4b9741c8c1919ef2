import { normalizeTag } from "../../core/scope.ts";

/** Detects different names that normalise to the same tag. Each such tag is logged once. */
export type NameWatch = (kind: string, name: string) => void;

/** Names remembered; beyond, no new ones are. */
const MAX = 5_000;

export function createNameWatch(say: (message: string) => void): NameWatch {
  const seen = new Map<string, string>();
  const told = new Set<string>();

  return (kind, name) => {
    const tag = normalizeTag(name);
    const id = `${kind}:${tag}`;
    const before = seen.get(id);
    if (before === undefined) {
      if (seen.size < MAX) seen.set(id, name);
      return;
    }
    if (before === name || told.has(id)) return;
    told.add(id);
    say(`the ${kind}s "${before}" and "${name}" are both ${tag} in metrics and budgets; rename one to tell them apart`);
  };
}
