import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readWebhook } from "../../src/breaker/webhook.ts";
import { nestScope, normalizeTag, tagText } from "../../src/core/scope.ts";
import { readBudget, scopesOf } from "../../src/limits/budget.ts";
import { normalizeTag as storedTag } from "../../src/sandbox/series/tags.ts";

const names = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.string({
    unit: fc.constantFrom("a", "B", "_", ":", " ", "-", "İ", "ß", "𐐨", "😀", "研", ",", "%", "|"),
    maxLength: 250,
  }),
);
const RUNS = { numRuns: 2_000 };

describe("a name is written once and for all", () => {
  test("what is written so already stays as it is, and no tag is too long", () => {
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 200 }), (name, max) => {
        const text = tagText(name, max);
        expect(tagText(text, max)).toBe(text);
        expect([...text].length).toBeLessThanOrEqual(max);
        expect(text).not.toMatch(/__|[_:]$|[^\p{L}\p{N}_\-:./]/u);
      }),
      RUNS,
    );
  });

  test("what is exported is what is stored, for each kind", () => {
    fc.assert(
      fc.property(names, fc.constantFrom("agent", "root_agent", "team", "project", "key"), (name, kind) => {
        const tag = `${kind}:${normalizeTag(name)}`;
        expect(storedTag(tag)).toBe(tag);
      }),
      RUNS,
    );
  });

  test("a webhook opens the circuit of the agent that was exported, and a budget covers it, however it is written", () => {
    fc.assert(
      fc.property(names, (name) => {
        const { scope } = nestScope(undefined, { agent: name });
        fc.pre(!["other", "unknown"].includes(scope.agent));
        const at = Date.UTC(2026, 10, 28);
        const payload = { v: 1, monitor: "1", event: "2", transition: "Triggered", cycle: "3", tags: "", at, org: "4" };
        const read = readWebhook({ ...payload, scope: `agent:${scope.agent}` }, at, 60_000);
        expect(read).toMatchObject({ type: "change", scope: `agent:${scope.agent}` });
        const [budget] = readBudget({ scope: { agent: name }, per: "hour", usd: 1 });
        const node = nestScope(undefined, { agent: name });
        if (name !== "" && name !== "*" && budget) expect(scopesOf(budget, node)).toHaveLength(1);
      }),
      RUNS,
    );
  });
});
