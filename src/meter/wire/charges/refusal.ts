import type { Blocked, RefusalShape } from "../../../limits/refusal.ts";
import { openaiRefusal } from "../openai-error.ts";

/** The refusal of a request that costs money, as JSON with its text where clients of tool APIs look for one. */
export const plainRefusal: RefusalShape = {
  body: errorOf,
  event: (message, blocked) => ({ data: errorOf(message, blocked) }),
};

function errorOf(message: string, blocked: Blocked): object {
  return { ...openaiRefusal.body(message, blocked), message, detail: { error: message } };
}
