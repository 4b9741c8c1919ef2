import { existsSync } from "node:fs";
import { openBook } from "../../../billing/book.ts";
import type { Config } from "../../../config/config.ts";
import type { MeteredRow } from "../../../core/metered.ts";
import { nestScope } from "../../../core/scope.ts";
import { readTags } from "../../../core/tags/tags.ts";
import { WORK_PROVIDER } from "../../../core/work/work.ts";
import { type Budget, isScopeOf } from "../../../limits/budget.ts";
import type { PastRun } from "../../../limits/past/past-call.ts";
import { readKey } from "../../../limits/scope-text.ts";
import { openStore } from "../../../stores/open.ts";
import type { Store } from "../../../stores/store.ts";
import { bookPath } from "../poll/access.ts";
import { applyBill, type BillFacts } from "./billed.ts";
import { type BilledCall, type Known, readCalls } from "./calls-file.ts";

/** The past, as ledger and book have it. Times in milliseconds since the epoch. */
export interface Past extends Known {
  /** Runs that budgets of the store counted; empty where single calls are known. */
  readonly runs: readonly PastRun[];
  /** Where it was read from, for people. */
  readonly source: string;
  readonly bill: BillFacts | undefined;
}

export interface PastOptions {
  readonly files: readonly string[];
  /** The store's address. */
  readonly store: string | undefined;
  readonly db: string | undefined;
  readonly from: number;
  readonly until: number;
}

const MAX_COUNTS = 100_000;

/** @throws SpendfuseError `SPENDFUSE_USAGE`, `SPENDFUSE_STORE` */
export async function readPast(options: PastOptions, config: Config, now: number): Promise<Past> {
  const { files, store, from, until } = options;
  const known = files.length > 0 ? await readCalls(files, from, until, config.tags ?? []) : undefined;
  const opened = known === undefined && store !== undefined ? await openStore(store) : undefined;
  try {
    const past: Known = known ?? readRows(opened === undefined ? [] : await opened.metered(from, until));
    const runs = opened === undefined ? [] : await runsIn(opened, config.caps);
    const source =
      known === undefined ? "the store's days" : `${files.length} file${files.length === 1 ? "" : "s"} of calls`;
    const path = bookPath(options.db, config);
    if (!existsSync(path)) return { ...past, runs, source, bill: undefined };
    const book = await openBook(path, { alone: false });
    try {
      return { ...(await applyBill(past, { book, config, from, until: Math.min(until, now), now })), runs, source };
    } finally {
      book.close();
    }
  } finally {
    await opened?.close();
  }
}

function readRows(rows: readonly MeteredRow[]): Known {
  const metered = rows.filter(({ provider }) => provider !== WORK_PROVIDER);
  const calls = metered.map(
    (row): BilledCall => ({
      provider: row.priced === "plan" ? "" : row.provider,
      day: row.day,
      at: row.day,
      node: nestScope(undefined, {
        ...{ agent: row.agent, team: row.team, project: row.project, key: row.key, tags: readTags(row.tags) },
        parents: row.rootAgent === row.agent ? [] : [row.rootAgent],
      }),
      isDay: true,
      completed: false,
      usd: row.cost,
      tokens: row.inputUncached + row.cacheRead + row.cacheWrite + row.output,
      calls: row.calls,
      seconds: 0,
    }),
  );
  const unpriced = metered.filter(({ priced }) => priced === "false").reduce((sum, row) => sum + row.calls, 0);
  return { calls, metered, invalid: 0, unpriced };
}

/** What budgets per run have counted, of which no window says when. */
async function runsIn(store: Store, caps: readonly Budget[]): Promise<readonly PastRun[]> {
  const ofRuns = caps.filter(({ per }) => per.kind === "run");
  if (ofRuns.length === 0) return [];
  const counts = await store.counts(MAX_COUNTS);
  return counts.flatMap(({ key, spent }) => {
    const [id, scope = "", run = ""] = readKey(key);
    const budget = ofRuns.find((one) => one.id === id);
    return budget === undefined || !isScopeOf(budget, scope) || spent === 0 ? [] : { budget, scope, run, spent };
  });
}
