import { join } from "node:path";
import { readKept, writeKept } from "../meter/estimates/kept.ts";
import { createKnowledge, type Knowledge } from "../meter/estimates/knowledge.ts";

const { readFileSync, renameSync, writeFileSync } = process.getBuiltinModule("node:fs");

/** What reported calls have taught, kept in a file beside the spool from one process to the next. */
export interface KeptKnowledge {
  readonly knowledge: Knowledge;
  /** Writes it synchronously. The last process to write wins: each has learned from the same models. */
  save(): void;
}

const FILE = "estimates.json";

/** @param folder Undefined where nothing is to be kept. */
export function openKnowledge(folder: string | undefined, onFault: (error: unknown) => void): KeptKnowledge {
  if (folder === undefined) return { knowledge: createKnowledge(), save: () => {} };
  const path = join(folder, FILE);
  const knowledge = createKnowledge(readKept(readText(path)));
  return {
    knowledge,
    save() {
      if (knowledge.models.size === 0) return;
      try {
        const draft = `${path}.${process.pid}`;
        writeFileSync(draft, writeKept(knowledge), { mode: 0o600 });
        renameSync(draft, path);
      } catch (error) {
        onFault(error);
      }
    },
  };
}

/** Empty when there is none yet, or none that can be read. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
