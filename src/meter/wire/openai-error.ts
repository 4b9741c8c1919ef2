import type { Blocked, RefusalShape } from "../../limits/refusal.ts";

/** OpenAI's error, in which most vendors write theirs; a stream has it as an event without a name. */
export const openaiRefusal: RefusalShape = {
  body: errorOf,
  event: (message, blocked) => ({ data: errorOf(message, blocked) }),
};

/**
 * The same for Responses, whose streams end with an event of their own. Codex ends its turn at this code and shows the
 * message; OpenAI's SDKs raise what is in `error`.
 */
export const responsesRefusal: RefusalShape = {
  body: errorOf,
  event(message, blocked) {
    const failed = { code: "invalid_prompt", message };
    const response = { id: "resp_spendfuse", object: "response", status: "failed", output: [], error: failed };
    return { name: "response.failed", data: { type: "response.failed", ...errorOf(message, blocked), response } };
  },
};

function errorOf(message: string, blocked: Blocked): object {
  const code = `spendfuse_${blocked.reason}`;
  return { error: { message, type: "spendfuse_blocked", code, param: null, spendfuse: blocked } };
}
