import { isOf } from "../facts/packages.ts";
import { type Facts, subjectOf, usedOf } from "../facts.ts";
import { note, ok } from "../finding.ts";
import { BLIND_PACKAGES } from "../tables/blind.ts";
import { SDKS, type Sdk } from "../tables/sdks.ts";
import type { Check } from "./check.ts";

const LOOK = "onCall((call) => console.log(call.model, call.quality, call.costUsd))";
const SCOPE = 'await scope({ agent: "researcher" }, () => agent.run())';

/** Each SDK and framework: how its agents are named, and whether our tests cover its version. */
export const sdks: Check = {
  name: "sdks",
  group: "sdks",
  *check(facts) {
    const used = usedSdks(facts);
    const isNamed = isAnyNamed(facts, [...used.values()]);
    for (const [name, { package: row, tested, under, names, sign }] of used) {
      const subject = subjectOf(facts, name);
      const version = facts.versions.get(name);
      if (version === undefined) {
        if (!facts.isPlugAndPlay)
          yield note("packages-not-installed", name, "is used and not installed", "npm install");
        continue;
      }
      const by = under ?? names ?? "scope() or SPENDFUSE_AGENT";
      yield ok("sdk-metered", subject, `metered at fetch; agents are named by ${by}`);
      if (!tested.some((series) => isOf(version, series))) {
        const covered = tested.length === 0 ? "" : `, which cover ${row} ${tested.join(" and ")}`;
        yield note("sdk-version-untested", subject, `is not in our tests${covered}: check the figures of a call`, LOOK);
      }
      if (!isNamed && under === undefined && (names === undefined || sign !== undefined))
        yield note(
          "agent-unnamed",
          subject,
          "nothing names an agent: its spend shows as agent unknown",
          names ?? SCOPE,
        );
    }
  },
};

/** Used packages by name, each with the first row that matches it; those that are blind are left out. */
function usedSdks(facts: Facts): ReadonlyMap<string, Sdk> {
  const found = new Map<string, Sdk>();
  const blind = new Set(BLIND_PACKAGES.map((row) => row.package));
  for (const sdk of SDKS)
    for (const name of usedOf(facts, sdk.package)) if (!found.has(name) && !blind.has(name)) found.set(name, sdk);
  return found;
}

/** Whether any agent has a name: from a default, a framework, a header, or `scope()`. */
function isAnyNamed({ sources, configuration, deployment }: Facts, used: readonly Sdk[]): boolean {
  if (configuration.config.defaults.agent !== undefined) return true;
  if (["SPENDFUSE_AGENT", "OTEL_SERVICE_NAME", "DD_SERVICE"].some((name) => deployment.variables.has(name)))
    return true;
  if (used.some(({ names, sign }) => names !== undefined && sign === undefined)) return true;
  const signs = used.flatMap(({ sign }) => sign ?? []);
  return sources.files.some(
    ({ code, literals, imports }) =>
      (imports.some(({ name }) => name === "spendfuse") && /\b(?:scope|extract)\s*\(/.test(code)) ||
      signs.some((sign) => sign.test(code)) ||
      literals.some(({ text }) => text === "x-spendfuse-agent"),
  );
}
