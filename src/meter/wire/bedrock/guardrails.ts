import { type Json, object } from "../../../core/json.ts";
import { count } from "../../../core/usage.ts";
import type { Reading } from "../formats/format.ts";
import { countUse, setUses } from "../tools/server-tools.ts";

/** Counts of text units and images that a guardrail charges for, and their billed parts. Word filters are free. */
const CHARGED: Readonly<Record<string, string>> = {
  topicPolicyUnits: "guardrail_topic",
  contentPolicyUnits: "guardrail_content",
  contentPolicyImageUnits: "guardrail_image",
  sensitiveInformationPolicyUnits: "guardrail_sensitive_information",
  contextualGroundingPolicyUnits: "guardrail_grounding",
  automatedReasoningPolicyUnits: "guardrail_reasoning",
};

/** Of a guardrail whose counts the answer does not show. */
const GUARDRAIL = "guardrail";

/** Notes a guardrail whose charges the answer did not show. */
export function addGuardrail(reading: Reading): void {
  const units = reading.tools?.units ?? {};
  if (!Object.keys(units).some((part) => part.startsWith(GUARDRAIL))) countUse(reading, GUARDRAIL, GUARDRAIL);
}

const MAX_DEPTH = 8;

/** Adds up what the assessments of a guardrail, in `trace.guardrail` of an answer, say that they used. */
export function readGuardrail(trace: Json, reading: Reading): void {
  const sums = new Map<string, number>();
  addUnits(trace, sums, 0);
  for (const [part, units] of sums) setUses(reading, part, units);
}

/** An assessment has its counts in `invocationMetrics.usage`, below ids, lists and names that differ by API. */
function addUnits(value: unknown, sums: Map<string, number>, depth: number): void {
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return;
  if (Array.isArray(value)) {
    for (const item of value) addUnits(item, sums, depth + 1);
    return;
  }
  const usage = object(object((value as Json).invocationMetrics)?.usage);
  if (usage !== undefined) {
    for (const [name, part] of Object.entries(CHARGED)) sums.set(part, (sums.get(part) ?? 0) + count(usage[name]));
    return;
  }
  for (const member of Object.values(value)) addUnits(member, sums, depth + 1);
}
