import { placeOf, type SourceFile } from "../facts/sources.ts";
import { usedOf } from "../facts.ts";
import { note } from "../finding.ts";
import { BLIND_PACKAGES, BLIND_WAYS, type BlindWay } from "../tables/blind-packages.ts";
import type { Check } from "./check.ts";

/** Packages whose calls are not seen, and ways of using others that are not. */
export const blindPackages: Check = {
  name: "blind-packages",
  group: "blind",
  *check(facts) {
    for (const { package: row, why, fix } of BLIND_PACKAGES)
      for (const { name, installed } of usedOf(facts, row))
        yield note(
          "package-blind",
          installed === undefined ? name : `${name} ${installed.version}`,
          `not metered: ${why}`,
          fix,
        );
    for (const way of BLIND_WAYS)
      for (const file of facts.sources.files) {
        const at = findWay(way, file);
        if (at !== undefined) yield note("way-blind", placeOf(file, at), `${way.name}: ${way.why}`, way.fix);
      }
  },
};

function findWay({ imports, sign }: BlindWay, file: SourceFile): number | undefined {
  const imported = file.imports.find(({ name }) => imports.test(name));
  if (imported === undefined || sign === undefined) return imported?.at;
  if (sign instanceof RegExp) return sign.exec(file.code)?.index;
  const [before, text] = sign;
  return file.literals.find((one) => text.test(one.text) && before.test(file.code.slice(0, one.at)))?.at;
}
