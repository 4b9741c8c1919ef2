import type { Check } from "./checks/check.ts";
import * as registry from "./checks/registry.ts";
import type { Facts } from "./facts.ts";
import { type Finding, GROUPS } from "./finding.ts";
import type { Answers, Question } from "./question.ts";
import { withoutSecrets } from "./secrets.ts";

export const CHECKS: readonly Check[] = Object.values(registry);

const GROUP_NAMES = Object.keys(GROUPS);

/**
 * All questions of the checks. A key of the process's own environment is not sent to an address that only the folder's
 * `.env` names: the author of that file need not be the user who runs this.
 */
export function questionsOf(facts: Facts): readonly Question[] {
  const own = Object.fromEntries(Object.entries(facts.env).filter(([name]) => !facts.fromEnvFile.includes(name)));
  const asksOf = (one: Facts): readonly Question[] => CHECKS.flatMap((check) => check.asks?.(one) ?? []);
  const places = new Set(asksOf({ ...facts, env: own }).map(placeOf));
  const secrets = Object.values(own).filter((value) => value !== undefined && value.length >= MIN_SECRET);
  const isOurs = (question: Question): boolean => {
    const sent = question.kind === "http" ? Object.values(question.headers ?? {}) : [];
    // A header may contain a variable's value, or be a part of it.
    return sent.some((text) => secrets.some((secret = "") => text.includes(secret) || isPartOf(text, secret)));
  };
  return asksOf(facts).filter((question) => places.has(placeOf(question)) || !isOurs(question));
}

function isPartOf(text: string, secret: string): boolean {
  return text.length >= MIN_SECRET && secret.includes(text);
}

/** Shorter values are no secrets. */
const MIN_SECRET = 6;

function placeOf(question: Question): string {
  return `${question.id} ${question.kind === "http" ? question.url : question.address}`;
}

/** The findings of all checks by group, with secrets masked. Pure. */
export function examine(facts: Facts, answers: Answers): readonly Finding[] {
  const findings = CHECKS.flatMap((check) =>
    [...check.check(facts, answers)].map((remark) => ({ group: check.group, ...remark })),
  );
  const order = (finding: Finding): number => GROUP_NAMES.indexOf(finding.group);
  return withoutSecrets(
    findings.sort((a, b) => order(a) - order(b)),
    facts.env,
  );
}
