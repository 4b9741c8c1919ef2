import type { MeteredGroup } from "../metered.ts";
import { METRICS, type MetricName } from "../names.ts";
import { readOwnTags } from "../tags/tags.ts";
import { NO_USAGE, TOKEN_TYPES, tokensByType, type Usage } from "../usage.ts";
import type { LateFigures } from "./late-call.ts";

/** What the metrics of a settled call change by. Never negative: what an estimate was too high by has a counter of its own. */
export interface Correction {
  readonly metric: MetricName;
  readonly tags: Readonly<Record<string, string>>;
  /** Nano-USD, tokens or calls: an integer above zero. */
  readonly amount: number;
}

/** An estimate as it was counted. */
export interface Counted {
  readonly usage?: Usage;
  readonly costNano?: number;
}

/**
 * The corrections of one settled call. OpenTelemetry's counters ignore a negative amount; a sum that may fall is exported
 * cumulatively even where delta is asked for, and becomes a gauge in Datadog, which does not add up over processes. So
 * what an estimate was too low by is added to the same counters, with the quality `settled`, and what it was too high by
 * to a counter that only rises, which is subtracted.
 * @param processName The value of the tag `process`.
 */
export function correctionsOf(
  group: MeteredGroup,
  before: Counted,
  after: LateFigures,
  processName: string,
): readonly Correction[] {
  const tags = tagsOf(group, processName);
  const { quality: _, ...callTags } = tags;
  const corrections: Correction[] = [{ metric: METRICS.settledCalls, tags: callTags, amount: 1 }];
  const add = (up: MetricName, down: MetricName, change: number, own: Correction["tags"]): void => {
    if (change !== 0) corrections.push({ metric: change > 0 ? up : down, tags: own, amount: Math.abs(change) });
  };
  add(METRICS.cost, METRICS.overestimatedCost, (after.costNano ?? 0) - (before.costNano ?? 0), tags);
  const counted = tokensByType(before.usage ?? NO_USAGE);
  for (const [index, tokens] of tokensByType(after.usage).entries()) {
    const own = { ...tags, token_type: TOKEN_TYPES[index] as string };
    add(METRICS.tokens, METRICS.overestimatedTokens, tokens - (counted[index] as number), own);
  }
  return corrections;
}

function tagsOf({ agent, rootAgent, team, project, tags, provider, model }: MeteredGroup, processName: string) {
  return {
    agent,
    root_agent: rootAgent,
    ...(team !== "" && { team }),
    ...(project !== "" && { project }),
    ...readOwnTags(tags),
    provider,
    model,
    quality: "settled",
    process: processName,
  };
}
