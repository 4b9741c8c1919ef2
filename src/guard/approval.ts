import type { Scope } from "../core/scope.ts";
import { isPromise } from "../core/values/promise.ts";
import type { Blocked } from "./blocked.ts";

/** Why a call is allowed although it would be refused; it is logged. */
export interface Approval {
  readonly by: string;
  readonly why: string;
}

/**
 * Asked before a call is refused. To let this one call pass, return `true`, the reason as a text, or both `by` and `why`;
 * anything else refuses it. The call waits for the answer.
 */
export type Approve = (
  blocked: Blocked,
  scope: Scope,
) => boolean | string | Approval | undefined | Promise<boolean | string | Approval | undefined>;

/** The first approval there is. A listener that throws approves nothing. */
export function approvalOf(
  approvers: ReadonlySet<Approve>,
  blocked: Blocked,
  scope: Scope,
  onFault: (error: unknown) => void,
): Approval | undefined | Promise<Approval | undefined> {
  const answers: ReturnType<Approve>[] = [];
  for (const approve of approvers) {
    try {
      const answer = approve(blocked, scope);
      const approval = isPromise(answer) ? undefined : read(answer);
      if (approval) return approval;
      answers.push(answer);
    } catch (error) {
      onFault(error);
    }
  }
  return answers.some((answer) => isPromise(answer)) ? firstOf(answers, onFault) : undefined;
}

async function firstOf(
  answers: readonly ReturnType<Approve>[],
  onFault: (error: unknown) => void,
): Promise<Approval | undefined> {
  for (const settled of await Promise.allSettled(answers)) {
    if (settled.status === "rejected") onFault(settled.reason);
    const approval = settled.status === "fulfilled" ? read(settled.value) : undefined;
    if (approval) return approval;
  }
  return undefined;
}

function read(answer: boolean | string | Approval | undefined): Approval | undefined {
  if (answer === true) return { by: "listener", why: "approved" };
  if (typeof answer === "string" && answer !== "") return { by: "listener", why: answer };
  if (typeof answer !== "object" || answer === null) return undefined;
  return { by: String(answer.by ?? "listener"), why: String(answer.why ?? "approved") };
}
