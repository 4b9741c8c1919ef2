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

/** Names of undeclared tags that are logged. */
const MAX_UNDECLARED = 20;

/** Logs each tag that is set and not declared, once. */
export function createTagWarning(say: (message: string) => void): (name: string) => void {
  const told = new Set<string>();
  return (name) => {
    if (told.has(name) || told.size >= MAX_UNDECLARED) return;
    told.add(name);
    const shown = JSON.stringify(name.slice(0, 60));
    say(`the tag ${shown} is ignored: it is not declared; add it to "tags" in spendfuse.config.json`);
  };
}
