import type { Mutant, Site } from "./mutants.ts";

/** A source with all of its mutants in it, each behind a switch that is off. */
export interface Instrumented {
  readonly code: string;
  readonly mutants: readonly Mutant[];
}

/** The name under which a source knows the switch of `switch.ts`. */
const SWITCH = "isMutant$";

/**
 * Puts the mutants of these places into a source: `a < b` becomes `(isMutant$(7) ? (a <= b) : (a < b))`. One copy of the
 * project then serves for all of them, and what is never reached by a test is seen in one run.
 *
 * @param firstId the number of the first mutant
 * @param from where the switch is imported from
 */
export function instrument(
  file: string,
  source: string,
  sites: readonly Site[],
  firstId: number,
  from: string,
): Instrumented {
  const mutants: Mutant[] = [];
  const ids = new Map<Site, number>();
  for (const site of sites) {
    ids.set(site, firstId + mutants.length);
    for (const after of site.options) mutants.push(mutantAt(file, source, site, after, firstId + mutants.length));
  }

  /** The code of a range, with the switches of the places inside it, which are in the order of their beginnings. */
  function render(start: number, end: number, inside: readonly Site[]): string {
    let code = "";
    let at = start;
    for (let index = 0; index < inside.length; ) {
      const site = inside[index] as Site;
      let next = index + 1;
      while (next < inside.length && (inside[next] as Site).start < site.end) next += 1;
      code += source.slice(at, site.start) + choice(site, inside.slice(index + 1, next));
      at = site.end;
      index = next;
    }
    return code + source.slice(at, end);
  }

  function choice(site: Site, inside: readonly Site[]): string {
    const own = render(site.start, site.end, inside);
    const id = ids.get(site) as number;
    if (!site.statement) {
      const others = site.options.map((after, index) => `${SWITCH}(${id + index}) ? (${after}) : `);
      return `(${others.join("")}(${own}))`;
    }
    // What returns something returns nothing instead; what does something leaves it.
    return own.startsWith("return") ? `{ if (${SWITCH}(${id})) return; ${own} }` : `{ if (!${SWITCH}(${id})) ${own} }`;
  }

  const sorted = [...sites].sort((a, b) => a.start - b.start || b.end - a.end);
  const code = `import { isMutant as ${SWITCH} } from ${JSON.stringify(from)};${render(0, source.length, sorted)}`;
  return { code, mutants };
}

function mutantAt(file: string, source: string, { start, end }: Site, after: string, id: number): Mutant {
  const lines = source.slice(0, start).split("\n");
  const before = source.slice(start, end);
  return { id, file, line: lines.length, column: (lines.at(-1) as string).length + 1, before, after };
}
