/** Put into a copy of the project as `src/mutation-switch.ts`; a source there asks it whether a mutant of it is on. */
const active = Number(process.env.MUTANT ?? -1);

/** Mutants that were reached, while none is on. */
export const reached = new Set<number>();

export function isMutant(id: number): boolean {
  if (active < 0) reached.add(id);
  return id === active;
}
