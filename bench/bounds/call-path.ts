import type { Bound } from "../bound.ts";
import { runProgram } from "../program.ts";

interface CallPath {
  readonly functions: number;
  readonly moves: number;
}

const count = async (of: keyof CallPath): Promise<number> => ((await runProgram("call-path.ts")) as CallPath)[of];

/** Functions of `src/` that one guarded call enters. */
export const callFunctions: Bound = { limit: 332, unit: "", measure: () => count("functions") };

/** How often one guarded call moves from a function of one file to one of another. */
export const callMoves: Bound = { limit: 180, unit: "", measure: () => count("moves") };
