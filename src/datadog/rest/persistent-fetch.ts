import { setTimeout as wait } from "node:timers/promises";
import { retryAfterMs } from "../../http/retry-after.ts";
import { TIMEOUT_MS, UNREACHABLE, whyUnreachable } from "./refusal.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** How often a request is tried at most. */
export const TRIES = 5;
const MAX_WAIT_MS = 60_000;

/**
 * A fetch that times out after 30 seconds and retries: every request after a 429, and idempotent ones after a 5xx or a
 * broken connection. It waits as `x-ratelimit-reset` or `retry-after` says, a minute at most. It never rejects.
 */
export function persistentFetch(sleep: (ms: number) => Promise<unknown> = wait, env: Env = {}, tries = TRIES) {
  return async (url: string, options: RequestInit): Promise<Response> => {
    for (let attempt = 1; ; attempt += 1) {
      const response = await tryOnce(url, options, env);
      const limited = response.status === 429;
      const again = limited || (response.status >= 500 && options.method !== "POST");
      if (!again || attempt >= tries) return response;
      await response.body?.cancel();
      await sleep(waitOf(response, attempt));
    }
  };
}

async function tryOnce(url: string, options: RequestInit, env: Env): Promise<Response> {
  try {
    return await fetch(url, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    const body = JSON.stringify({ errors: [whyUnreachable(new URL(url).host, error as Error, env)] });
    return new Response(body, { status: UNREACHABLE, headers: { "content-type": "application/json" } });
  }
}

/** As long as the answer asks for, else twice as long each time. */
function waitOf({ status, headers }: Response, attempt: number): number {
  const reset = status === 429 ? secondsOf(headers.get("x-ratelimit-reset")) : undefined;
  const asked = [reset, retryAfterMs(headers, Date.parse(headers.get("date") ?? ""))].filter((ms) => ms !== undefined);
  const ms = asked.length > 0 ? Math.max(...asked) : 500 * 2 ** attempt;
  return Math.min(ms, MAX_WAIT_MS);
}

function secondsOf(text: string | null): number | undefined {
  return text === null || !/^\d+(\.\d+)?$/.test(text.trim()) ? undefined : Number(text) * 1_000;
}
