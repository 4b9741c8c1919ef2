import { createHostLookup } from "../../meter/wire/hosts.ts";
import { placeOf, type SourceFile } from "../facts/sources.ts";
import { subjectOf, usedOf } from "../facts.ts";
import { note } from "../finding.ts";
import { BLIND_CLIENTS, BLIND_PACKAGES, BLIND_WAYS, type BlindWay, whyOf } from "../tables/blind.ts";
import type { Check } from "./check.ts";

/** Packages, ways of using them, and HTTP clients whose calls are not metered. */
export const blind: Check = {
  name: "blind",
  group: "blind",
  *check(facts) {
    for (const row of BLIND_PACKAGES)
      for (const name of usedOf(facts, row.package))
        yield note("package-blind", subjectOf(facts, name), `not metered: ${whyOf(row)}`, row.fix);
    for (const file of facts.sources.files) {
      for (const way of BLIND_WAYS) {
        const at = findWay(way, file);
        if (at !== undefined) yield note("way-blind", placeOf(file, at), `${way.name}: ${whyOf(way)}`, way.fix);
      }
      const host = modelHostIn(file);
      for (const row of host === undefined ? [] : BLIND_CLIENTS) {
        const found = file.imports.find(({ name }) => name === row.package);
        if (found !== undefined && !row.seen?.test(file.code))
          yield note("client-unseen", placeOf(file, found.at), `${row.package} to ${host}: ${whyOf(row)}`, row.fix);
      }
    }
  },
};

function findWay({ imports, sign }: BlindWay, { code, imports: imported, literals }: SourceFile): number | undefined {
  const found = imported.find(({ name }) => imports.test(name));
  if (found === undefined || sign === undefined) return found?.at;
  if (sign instanceof RegExp) return sign.exec(code)?.index;
  const [before, text] = sign;
  return literals.find((one) => text.test(one.text) && before.test(code.slice(0, one.at)))?.at;
}

const lookup = createHostLookup();

/** A vendor's host in a string: an address, or the host alone. */
function modelHostIn({ literals }: SourceFile): string | undefined {
  return literals
    .map(({ text }) => /^(?:(?:https?|wss?):\/\/)?([a-z0-9-]+(?:\.[a-z0-9-]+){1,5})(?=$|[:/])/.exec(text)?.[1])
    .find((host) => host !== undefined && lookup(host) !== undefined);
}
