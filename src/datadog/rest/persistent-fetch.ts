import { setTimeout as wait } from "node:timers/promises";
import { TIMEOUT_MS, UNREACHABLE, whyUnreachable } from "./refusal.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** How often a request is tried at most. */
export const TRIES = 5;
const MAX_WAIT_MS = 60_000;

/**
 * A fetch that times out after 30 seconds and retries: every request after a
 * 429, and idempotent ones after a 5xx or a broken connection. It never rejects.
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

function waitOf({ status, headers }: Response, attempt: number): number {
  const reset = headers.get("x-ratelimit-reset");
  if (status === 429 && reset !== null && Number.isFinite(Number(reset)))
    return Math.min(Math.max(Number(reset) * 1_000, 0), MAX_WAIT_MS);
  return Math.min(500 * 2 ** attempt, MAX_WAIT_MS);
}
