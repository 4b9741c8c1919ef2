import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE_ROOT } from "../../src/package/root.ts";

/** A recorded request to Datadog's API, and the answer. */
export interface RecordedExchange {
  readonly source: string;
  readonly method: string;
  readonly path: string;
  readonly request?: string;
  readonly status: number;
  readonly response?: string;
  readonly headers: Readonly<Record<string, string>>;
}

export type Json = Readonly<Record<string, unknown>>;

/** Another file of the same form, such as one kept apart. */
const FILE = process.env.SPENDFUSE_TEST_EXCHANGES ?? join(PACKAGE_ROOT, "..", "shared", "datadog", "exchanges.jsonl");

/** Whether the recordings lie beside the checkout. */
export const hasExchanges = existsSync(FILE);

export function readExchanges(): readonly RecordedExchange[] {
  const lines = readFileSync(FILE, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as RecordedExchange);
}

/** A body as JSON, or as it is. */
export function parse(text: string | undefined): unknown {
  if (text === undefined || text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text.trim();
  }
}

/** Resources that the sandbox has not. A request to them is answered 404 by it, and not replayed. */
export const UNSUPPORTED: readonly (readonly [RegExp, string])[] = [
  [/^\/api\/v1\/dashboard\/(lists|public)\b/, "dashboard lists and shared dashboards"],
  [/^\/api\/v1\/monitor\/(groups\/)?search/, "search over monitors"],
  [/^\/api\/v2\/monitor\/(notification_rule|policy)\b/, "notification rules and policies"],
];

export function unsupported(path: string): string | undefined {
  return UNSUPPORTED.find(([pattern]) => pattern.test(path))?.[1];
}
