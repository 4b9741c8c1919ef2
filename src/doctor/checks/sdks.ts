import { isOf } from "../facts/version.ts";
import { type Facts, usedOf } from "../facts.ts";
import { note, ok, type Remark } from "../finding.ts";
import { BLIND_PACKAGES } from "../tables/blind-packages.ts";
import { SDKS, type Sdk } from "../tables/sdks.ts";
import type { Check } from "./check.ts";

const LOOK = "onCall((call) => console.log(call.model, call.quality, call.costUsd))";

/** Each SDK and framework: how it is metered, how its agents are named, whether its version is tried. */
export const sdks: Check = {
  name: "sdks",
  group: "sdks",
  *check(facts) {
    const seen = new Set(BLIND_PACKAGES.map((blind) => blind.package));
    const used = SDKS.flatMap((sdk) =>
      usedOf(facts, sdk.package).flatMap((one) => {
        if (seen.has(one.name)) return [];
        seen.add(one.name);
        return { sdk, ...one };
      }),
    );
    const named = isNamedBy(
      facts,
      used.map(({ sdk }) => sdk),
    );
    for (const { sdk, name, installed } of used) {
      if (installed === undefined) {
        if (!facts.isPlugAndPlay) yield notInstalled(name);
        continue;
      }
      const subject = `${name} ${installed.version}`;
      const copies = installed.others.length === 0 ? "" : `, the copies of ${installed.others.join(", ")} too`;
      yield ok("sdk-metered", subject, `${sdk.metered}${copies}; ${sdk.named}`);
      yield* versionRemarks(sdk, subject, installed.version);
      if (!named && (sdk.naming === "scope" || sdk.naming === "sign"))
        yield note("agent-unnamed", subject, "nothing names an agent: its spend shows as agent unknown", sdk.fix);
    }
  },
};

function notInstalled(name: string): Remark {
  return note(
    "packages-not-installed",
    name,
    "is used and not installed: its version cannot be looked at",
    "npm install",
  );
}

function* versionRemarks({ tested, package: row }: Sdk, subject: string, version: string): Iterable<Remark> {
  if (tested.some((series) => isOf(version, series))) return;
  const says =
    tested.length === 0
      ? "is not tried in our tests; look at a call before you trust its figures"
      : `is not tried in our tests, ${row} ${tested.join(" and ")} is; look at a call before you trust its figures`;
  yield note("sdk-version-untested", subject, says, LOOK);
}

/** Whether an agent has a name: by the app, by a default, or by a framework that names its own. */
function isNamedBy({ sources, configuration, deployment }: Facts, used: readonly Sdk[]): boolean {
  if (configuration.config.defaults.agent !== undefined) return true;
  if (["SPENDFUSE_AGENT", "OTEL_SERVICE_NAME", "DD_SERVICE"].some((name) => deployment.variables.has(name)))
    return true;
  if (used.some(({ naming }) => naming === "itself")) return true;
  const signs = [/\bx-spendfuse-agent\b/, ...used.flatMap(({ sign }) => sign ?? [])];
  return sources.files.some(
    ({ code, literals, imports }) =>
      (imports.some(({ name }) => name === "spendfuse") && /\b(?:scope|enter)\s*\(/.test(code)) ||
      signs.some((sign) => sign.test(code) || literals.some(({ text }) => sign.test(text))),
  );
}
