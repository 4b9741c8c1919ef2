import type { Answer } from "../../http/exchange.ts";

/** So many requests in a period, for each kind of resource. */
export interface RateLimit {
  readonly requests: number;
  /** Seconds. Periods begin with multiples of it since the epoch. */
  readonly period: number;
}

/** Decides of each request whether it is within the limit. */
export interface RateLimiter {
  /**
   * Counts a request. `headers` belong to whatever answer it gets; `refusal` is the answer when the limit is passed.
   * Undefined for paths without a limit.
   */
  take(method: string, path: string): { readonly headers: Headers; readonly refusal: Answer | undefined } | undefined;
}

type Headers = Readonly<Record<string, string>>;

/** Points and events are only sent: Datadog limits points not at all, and events far beyond what is sent here. */
const SUBMISSIONS = /^\/api\/v[12]\/(?:series|events)$/;
const RESOURCE = /^\/api\/(v[12])\/([^/]+)/;

/** @param now Seconds since the epoch, of the clock by which clients wait: never a simulated one. */
export function createRateLimiter({ requests, period }: RateLimit, now: () => number): RateLimiter {
  const taken = new Map<string, number>();
  let began = Number.NEGATIVE_INFINITY;

  return {
    take(method, path) {
      const [, version, resource] = RESOURCE.exec(path) ?? [];
      if (resource === undefined || (method === "POST" && SUBMISSIONS.test(path))) return undefined;
      const start = Math.floor(now() / period) * period;
      if (start !== began) {
        began = start;
        taken.clear();
      }
      const name = `${resource}_${version}`;
      const count = (taken.get(name) ?? 0) + 1;
      taken.set(name, count);
      const headers = {
        "x-ratelimit-limit": String(requests),
        "x-ratelimit-period": String(period),
        "x-ratelimit-remaining": String(Math.max(0, requests - count)),
        "x-ratelimit-reset": String(Math.max(1, Math.ceil(start + period - now()))),
        "x-ratelimit-name": name,
      };
      const refusal = { status: 429, body: { errors: ["Too many requests"] }, headers };
      return { headers, refusal: count > requests ? refusal : undefined };
    },
  };
}
