import { object, parse } from "../../core/json.ts";
import { readHeader } from "../wire/headers.ts";

/** The key of calls on a subscription's login, which have no API key. An alias of this name makes any key one. */
export const PLAN_KEY = "plan";

/** OAuth tokens of Claude Code and of the Claude apps; those of API keys begin with `sk-ant-api`. */
const CLAUDE_TOKEN = /^Bearer\s+sk-ant-oat/i;
const JWT = /^Bearer\s+[\w-]+\.([\w-]+)\.[\w-]*$/i;
/** OpenAI's clients send it with the token of a ChatGPT login, and with no API key. */
const CHATGPT_ACCOUNT = "chatgpt-account-id";
/** The claim of such a token. */
const OPENAI_AUTH = "https://api.openai.com/auth";
const MAX_TOKEN = 16 * 1024;

/**
 * Whether the value of an `authorization` header is the token of a subscription's login: Claude's, or ChatGPT's as Codex
 * sends it. Google's tokens are also those of projects that pay by use, so there the host decides: see `Host.plan`.
 * @param headers Of the request, in any form.
 */
export function isPlanToken(value: string, headers: unknown): boolean {
  if (CLAUDE_TOKEN.test(value)) return true;
  const claims = value.length > MAX_TOKEN ? undefined : JWT.exec(value)?.[1];
  if (claims === undefined) return false;
  if (readHeader(headers, CHATGPT_ACCOUNT) !== undefined) return true;
  const auth = object(object(parse(Buffer.from(claims, "base64url").toString()))?.[OPENAI_AUTH]);
  return auth?.chatgpt_account_id !== undefined || auth?.chatgpt_plan_type !== undefined;
}
