import { placeOf } from "../facts/sources.ts";
import { usedOf } from "../facts.ts";
import { BLIND_PACKAGES, BLIND_WAYS } from "../tables/blind-packages.ts";
import type { Check } from "./check.ts";

export const blindPackages: Check = {
  name: "blind-packages",
  group: "blind",
  says: "packages whose calls are not seen, and ways of using others that are not",
  *check(facts) {
    for (const { package: row, why, fix } of BLIND_PACKAGES)
      for (const { name, installed } of usedOf(facts, row))
        yield {
          id: "package-blind",
          level: "note",
          subject: installed === undefined ? name : `${name} ${installed.version}`,
          says: `not metered: ${why}`,
          fix,
        };
    for (const { name, why, fix, find } of BLIND_WAYS)
      for (const file of facts.sources.files) {
        const at = find(file);
        if (at === undefined) continue;
        yield { id: "way-blind", level: "note", subject: placeOf(file, at), says: `${name}: ${why}`, fix };
      }
  },
};
