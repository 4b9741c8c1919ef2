import type { Json } from "../../../core/json.ts";
import type { Blocked, RefusalShape } from "../../../limits/refusal.ts";

/**
 * As errors that Bedrock's SDKs have a class for and do not try again. The answer's status stays 402, which none of them
 * tries again either.
 */
export const bedrockRefusal: RefusalShape = {
  headers: { "x-amzn-errortype": "ServiceQuotaExceededException" },
  body: bodyOf,
  event: (message, blocked) => ({ name: "validationException", data: bodyOf(message, blocked) }),
};

/** Whether a body is an error of Bedrock, which has nothing of an answer. */
export function isError(body: Json): boolean {
  return typeof body.message === "string" && Object.keys(body).every((key) => ERROR_KEYS.has(key));
}

const ERROR_KEYS = new Set(["message", "__type", "code", "originalMessage", "originalStatusCode", "spendfuse"]);

function bodyOf(message: string, blocked: Blocked): object {
  return { message, spendfuse: blocked };
}
