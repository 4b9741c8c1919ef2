import type { Facts } from "../facts.ts";
import type { Group, Remark } from "../finding.ts";
import type { Answers, Question } from "../question.ts";

/**
 * One check of the doctor. To add one, write a file beside this one and give it a line in `registry.ts`.
 * A check is pure: it reads facts and answers, and touches neither files nor network.
 */
export interface Check {
  /** Its file's name. */
  readonly name: string;
  readonly group: Group;
  /** The requests it needs: only to addresses that the configuration names, or to a vendor's own. */
  asks?(facts: Facts): readonly Question[];
  /** `answers` lacks what was not asked. */
  check(facts: Facts, answers: Answers): Iterable<Remark>;
}
