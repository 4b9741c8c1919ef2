import { expect } from "vitest";
import type { Usage } from "../../src/core/usage.ts";
import { newReading, type Reading } from "../../src/meter/wire/formats/format.ts";

const FIELDS = Object.keys(newReading(undefined));

/** Fails when a reading holds what no vendor may make of it: figures that cannot be added up, texts that are none. */
export function expectSound(reading: Reading): void {
  expect(Object.keys(reading)).toEqual(FIELDS);
  const { usage, parts, extra, costUsd, visible, thought, toolCalls } = reading;
  for (const one of [usage, ...(parts ?? []).map((part) => part.usage), ...(extra ?? []).map((part) => part.usage)])
    if (one !== undefined) expectSoundUsage(one);
  for (const name of ["responseId", "model", "tier", "speed", "geo"] as const)
    expect([name, typeof reading[name]]).toEqual([name, reading[name] === undefined ? "undefined" : "string"]);
  for (const { model } of [...(parts ?? []), ...(extra ?? [])]) expect(["string", "undefined"]).toContain(typeof model);
  for (const count of [visible, thought, toolCalls, costUsd ?? 0]) expect(isAmount(count)).toBe(true);
}

function expectSoundUsage(usage: Usage): void {
  for (const [name, value] of Object.entries(usage))
    expect([name, value, isAmount(value)]).toEqual([name, value, true]);
  expect(usage.cacheRead + usage.cacheWrite).toBeLessThanOrEqual(usage.input);
  expect(usage.reasoning).toBeLessThanOrEqual(usage.output);
  expect(usage.cacheWrite1h).toBeLessThanOrEqual(usage.cacheWrite);
}

function isAmount(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}
