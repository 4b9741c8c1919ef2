import type { Blocked, RefusalShape } from "../../limits/refusal.ts";

/** OpenAI's error, in which most vendors write theirs; a stream has it as an event without a name. */
export const openaiRefusal: RefusalShape = {
  body: errorOf,
  event: (message, blocked) => ({ data: errorOf(message, blocked) }),
};

function errorOf(message: string, blocked: Blocked): object {
  const code = `spendfuse_${blocked.reason}`;
  return { error: { message, type: "spendfuse_blocked", code, param: null, spendfuse: blocked } };
}
