import { placeOf, type SourceFile } from "../facts/sources.ts";
import { subjectOf, usedOf } from "../facts.ts";
import { note } from "../finding.ts";
import { BLIND_PACKAGES, BLIND_WAYS, type BlindWay, TRANSPORT_USERS, whyOf } from "../tables/blind.ts";
import { programsOf } from "./blind/programs.ts";
import type { Check } from "./check.ts";

/** Packages, and ways of using them, whose calls are not metered; and programs, whose calls are another process's. */
export const blind: Check = {
  name: "blind",
  group: "blind",
  *check(facts) {
    for (const name of facts.configuration.config.transportsOff ?? []) {
      if (name === "child-process") continue;
      const says = `transportsOff names it: what it carries (${TRANSPORT_USERS[name]}) is neither metered nor refused`;
      yield note("transport-off", name, says, '"transportsOff": []');
    }
    for (const row of BLIND_PACKAGES)
      for (const name of usedOf(facts, row.package))
        yield note("package-blind", subjectOf(facts, name), `not metered: ${whyOf(row)}`, row.fix);
    for (const file of facts.sources.files) {
      for (const way of BLIND_WAYS) {
        const at = findWay(way, file);
        if (at !== undefined) yield note("way-blind", placeOf(file, at), `${way.name}: ${whyOf(way)}`, way.fix);
      }
    }
    yield* programsOf(facts);
  },
};

function findWay({ imports, sign }: BlindWay, { code, imports: imported, literals }: SourceFile): number | undefined {
  const found = imported.find(({ name }) => imports.test(name));
  if (found === undefined || sign === undefined) return found?.at;
  if (sign instanceof RegExp) return sign.exec(code)?.index;
  const [before, text] = sign;
  return literals.find((one) => text.test(one.text) && before.test(code.slice(0, one.at)))?.at;
}
