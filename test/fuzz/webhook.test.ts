import fc from "fast-check";
import { expect } from "vitest";
import { readScope, readWebhook } from "../../src/breaker/webhook.ts";
import { closedCircuit, nextCircuit } from "../../src/limits/circuit.ts";
import { fuzz, property } from "./fuzz.ts";
import { anyJson, anyText, mutated } from "./values.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const HOUR = 3_600_000;

const VALID = {
  ...{ v: 1, monitor: "123", event: "777", transition: "Triggered", cycle: "c1" },
  ...{ scope: "agent:researcher,team:search", tags: "env:prod,host:a", at: NOW, org: "9" },
};

const transitions = ["Triggered", "Re-Triggered", "Renotify", "Recovered", "Warn", "No Data"];
const bodies = fc.oneof(
  anyJson,
  mutated(VALID, ...transitions.map((transition) => ({ ...VALID, transition })), { ...VALID, scope: "" }),
  fc.record({ scope: anyText, tags: anyText }).map((fields) => ({ ...VALID, ...fields })),
);

/** A group's tags among which the breaker must find the agent. */
const others = fc.array(
  fc.oneof(
    anyText.map((text) => `env:${text.replaceAll(",", "")}`),
    fc.constantFrom("", "host:a", "service:b"),
  ),
);

fuzz("Datadog's webhook", {
  "is a change, ignored or a fault, and a change can be applied": property(bodies, (body) => {
    const reading = readWebhook(body, NOW, HOUR);
    if (reading.type !== "change") return expect(reading.why).toMatch(/\S/);
    // An operator who copies the scope means the same circuit.
    expect(readScope(reading.scope)).toBe(reading.scope);
    const { circuit } = nextCircuit(closedCircuit(reading.scope), reading.event, NOW);
    expect(JSON.parse(JSON.stringify(circuit))).toEqual(circuit);
  }),
  "opens the circuit of its scope, whatever its tags are": property(fc.tuple(anyText, anyText), ([tags, org]) => {
    const body = { ...VALID, scope: "agent:researcher", tags: `env:prod,${tags}`, org: org === "9" ? org : null };
    expect(readWebhook(body, NOW, HOUR)).toMatchObject({ type: "change", scope: "agent:researcher" });
  }),
  "without a group opens the circuit of the agent among its tags": property(others, (tags) => {
    const reading = readWebhook({ ...VALID, scope: "", tags: ["agent:researcher", ...tags].join(",") }, NOW, HOUR);
    expect(reading).toMatchObject({ type: "change", scope: "agent:researcher" });
  }),
  "a scope that an operator names is valid or undefined, and stays as it is": property(
    fc.oneof(
      anyJson,
      anyText,
      anyText.map((text) => `agent:${text}`),
    ),
    (named) => {
      const scope = readScope(named);
      if (scope !== undefined) expect(readScope(scope)).toBe(scope);
    },
  ),
});
