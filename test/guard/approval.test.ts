import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { type Approve, approvalOf } from "../../src/guard/approval.ts";

const BLOCKED = { reason: "budget", scope: "agent:a" } as const;
const SCOPE = { agent: "a", rootAgent: "a" };

test.each([
  { code: "async () => false", approval: undefined },
  { code: "async () => 'on call'", approval: { by: "listener", why: "on call" } },
])("a listener of another realm is waited for: $code", async ({ code, approval }) => {
  const approve = runInNewContext(`(${code})`) as Approve;
  const answer = approvalOf(new Set([approve]), BLOCKED, SCOPE, (error) => expect.fail(String(error)));
  expect(await answer).toEqual(approval);
});
