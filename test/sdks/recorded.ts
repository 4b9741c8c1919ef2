import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

/** One exchange of `../shared/recordings/model-calls.jsonl`, as its README describes it. */
export interface Recording {
  readonly id: string;
  readonly uri: string;
  readonly request: string;
  readonly response: string;
  readonly format: string;
  readonly usage?: Tokens;
}

export interface Tokens {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly reasoning: number;
}

const FILE = resolve(import.meta.dirname, "../../../shared/recordings/model-calls.jsonl");

/** Why the rows cannot run, or undefined when they can. */
export const missing: string | undefined = existsSync(FILE) ? undefined : `no recordings at ${FILE}: SDK rows skipped`;

let byId: Map<string, Recording> | undefined;

/** A recorded exchange, by its id. */
export function recorded(id: string): Recording {
  byId ??= new Map(
    readFileSync(FILE, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Recording)
      .map((recording) => [recording.id, recording]),
  );
  const found = byId.get(id);
  if (!found) throw new Error(`${FILE} has no "${id}"`);
  return found;
}
