import { isBelow, isNamed } from "../facts/packages.ts";
import { type Facts, subjectOf, usedOf } from "../facts.ts";
import { ok } from "../finding.ts";
import { type Defect, INSTRUMENTATIONS } from "../tables/instrumentations.ts";
import type { Check } from "./check.ts";

/** Other instrumentations: why nothing is counted twice, and their known defects. */
export const instrumentations: Check = {
  name: "instrumentations",
  group: "instrumentations",
  *check(facts) {
    for (const { package: row, beside, defects = [] } of INSTRUMENTATIONS) {
      const [first, ...more] = usedOf(facts, row);
      if (first === undefined) continue;
      const subject = subjectOf(facts, first);
      const all = more.length === 0 ? "" : `and ${more.length} more: `;
      yield ok("instrumentation-beside", subject, all + beside);
      for (const defect of defects)
        if ([first, ...more].some((name) => hasDefect(facts, name, defect)))
          yield { id: defect.id, level: "note", subject, says: defect.says, fix: defect.fix };
    }
  },
};

function hasDefect({ versions }: Facts, name: string, { in: only = name, below, with: other }: Defect): boolean {
  const version = versions.get(name);
  if (!isNamed(name, only) || version === undefined || !isBelow(version, below)) return false;
  if (other === undefined) return true;
  const beside = versions.get(other[0]);
  return beside !== undefined && !isBelow(beside, other[1]);
}
