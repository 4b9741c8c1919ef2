import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { CallPart, Ending, Priced, Quality, SettledCall } from "../../../core/call.ts";
import { amount, array, object, parse, text } from "../../../core/json.ts";
import { windowStart } from "../../../core/ledger.ts";
import { type MeteredRow, mergeMetered, meteredKey, meteredRows, meteredSums } from "../../../core/metered.ts";
import { nanoOfUsd } from "../../../core/money.ts";
import { nestScope, type Scope } from "../../../core/scope.ts";
import { declaredTags, writeTags } from "../../../core/tags/tags.ts";
import { canonicalUsage, type Usage } from "../../../core/usage.ts";
import type { PastCall } from "../../../limits/past/past-call.ts";
import { usage as usageError } from "../command.ts";

/** A call of the past as a bill knows it. */
export interface BilledCall extends PastCall {
  /** Empty for a call on a subscription, which is on no bill. */
  readonly provider: string;
  /** Start of the UTC day in which it ended, in milliseconds since the epoch. */
  readonly day: number;
}

/** What is known of the past. */
export interface Known {
  readonly calls: readonly BilledCall[];
  /** The same as a store has it, by day: what a bill is reconciled with. */
  readonly metered: readonly MeteredRow[];
  /** Lines that are no settled call. */
  readonly invalid: number;
  /** Calls that used something without a known price: they count as $0. */
  readonly unpriced: number;
}

/**
 * Reads files of settled calls, one JSON object a line, as `spendfuse proxy --calls` and `onCall` write them.
 * @param tags The tags that the configuration declares.
 * @throws SpendfuseError `SPENDFUSE_USAGE` for a file that cannot be read.
 */
export async function readCalls(
  files: readonly string[],
  from: number,
  until: number,
  tags: readonly string[],
): Promise<Known> {
  const calls: BilledCall[] = [];
  const rows: (readonly [string, readonly number[]])[] = [];
  let invalid = 0;
  let unpriced = 0;
  for (const file of files) {
    try {
      for await (const line of createInterface({
        input: createReadStream(file),
        crlfDelay: Number.POSITIVE_INFINITY,
      })) {
        if (line.trim() === "") continue;
        const call = readCall(line, tags);
        if (call === undefined) invalid += 1;
        else if (call.startedAt >= from && call.startedAt < until) {
          calls.push(pastCall(call));
          for (const row of meteredRows(call, partsOf(call), writeTags(call.scope.tags)))
            rows.push([meteredKey(row), meteredSums(row)]);
          if (call.usage !== undefined && call.costUsd === undefined) unpriced += 1;
        }
      }
    } catch (error) {
      throw usageError(
        `--calls: ${(error as Error).message}: it must be a file of settled calls that this user can read`,
      );
    }
  }
  return { calls, metered: mergeMetered(rows), invalid, unpriced };
}

/** What of a settled call is needed here; undefined where the line is none. */
function readCall(line: string, declared: readonly string[]): SettledCall | undefined {
  const call = object(parse(line));
  const scope = object(call?.scope);
  const agent = text(scope?.agent);
  const startedAt = amount(call?.startedAt);
  const ending = text(call?.ending);
  if (call === undefined || agent === undefined || startedAt === undefined || ending === undefined) return undefined;
  const rootAgent = text(scope?.rootAgent) ?? agent;
  const tags = declaredTags(scope?.tags, declared);
  const costUsd = amount(call.costUsd);
  const used = object(call.usage);
  const status = amount(call.status);
  return {
    id: text(call.id) ?? "",
    scope: { ...(scope as object), agent, rootAgent, tags } as Scope,
    provider: text(call.provider) ?? "",
    model: text(call.model) ?? "",
    format: text(call.format) ?? "",
    stream: call.stream === true,
    ending: ending as Ending,
    quality: (text(call.quality) ?? "unknown") as Quality,
    priced: (text(call.priced) ?? "none") as Priced,
    startedAt,
    durationMs: amount(call.durationMs) ?? 0,
    ...(status !== undefined && { status }),
    ...(used !== undefined && { usage: canonicalUsage(used as Partial<Usage>) }),
    ...(costUsd !== undefined && { costUsd }),
    otherModels: array(call.otherModels).flatMap((part) => {
      const other = object(part);
      const itsUsage = object(other?.usage);
      if (itsUsage === undefined) return [];
      return { model: text(other?.model) ?? "", usage: canonicalUsage(itsUsage as Partial<Usage>) };
    }),
  };
}

function partsOf({ usage, model, otherModels = [], costUsd }: SettledCall): readonly CallPart[] {
  if (usage === undefined) return [];
  return [{ model, usage, costNano: costUsd === undefined ? undefined : nanoOf(costUsd) }].concat(
    otherModels.map((other) => ({ ...other, costNano: 0 })),
  );
}

function pastCall(call: SettledCall): BilledCall {
  const { scope, startedAt, ending, usage, otherModels = [], costUsd } = call;
  const { rootAgent, ...fields } = scope;
  const isMade = ending !== "blocked";
  const used = usage === undefined ? [] : [usage, ...otherModels.map((other) => other.usage)];
  return {
    provider: call.priced === "plan" ? "" : call.provider,
    day: windowStart("day", Math.trunc(startedAt + call.durationMs)),
    at: startedAt,
    node: nestScope(undefined, { ...fields, parents: rootAgent === scope.agent ? [] : [rootAgent] }),
    isDay: false,
    completed: ending === "completed",
    usd: isMade && costUsd !== undefined ? nanoOf(costUsd) : 0,
    tokens: isMade ? used.reduce((sum, { input, output }) => sum + input + output, 0) : 0,
    calls: isMade ? 1 : 0,
    seconds: isMade ? Math.max(0, Math.round(call.durationMs - (call.throttled?.waitedMs ?? 0))) : 0,
  };
}

function nanoOf(usd: number): number {
  return Number(nanoOfUsd(usd));
}
