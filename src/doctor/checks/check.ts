import type { Facts } from "../facts.ts";
import type { Group, Remark } from "../finding.ts";
import type { Answers, Question } from "../question.ts";

/**
 * One thing that the doctor looks at. To add one, write a file beside this one and give it a line in `registry.ts`.
 * A check is pure: it reads the facts and what was answered, and touches neither files nor network.
 */
export interface Check {
  /** Its file's name. */
  readonly name: string;
  readonly group: Group;
  /** What it has to know from the network: only addresses that the configuration names, or a vendor's own. */
  asks?(facts: Facts): readonly Question[];
  /** Where nothing was asked, `answers` is empty. */
  check(facts: Facts, answers: Answers): Iterable<Remark>;
}
