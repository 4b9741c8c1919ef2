import { createHash, timingSafeEqual } from "node:crypto";
import { setBounded } from "../core/bounded-map.ts";

/** Whether a secret is one of those given, compared in constant time whatever its length. */
export function createSecretCheck(secrets: readonly string[]): (given: string | undefined) => boolean {
  const known = secrets.map(digest);
  return (given) => {
    const own = digest(given ?? "");
    let found = false;
    // All of them, so that the time does not reveal which one matched.
    for (const one of known) if (timingSafeEqual(one, own)) found = true;
    return found && given !== undefined;
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** The token of `authorization: Bearer TOKEN`. */
export function bearerOf(header: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(header ?? "")?.[1];
}

/** `USER:PASSWORD` of `authorization: Basic …`. */
export function basicOf(header: string | undefined): string | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? "")?.[1];
  return encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString("utf8");
}

/** Limits each caller to a rate per second and a burst. */
export interface Limiter {
  /** False when the caller is over its limit. */
  take(who: string, now: number): boolean;
}

interface Purse {
  left: number;
  at: number;
}

const MAX_PURSES = 10_000;

export function createLimiter(perSecond: number, burst: number): Limiter {
  const purses = new Map<string, Purse>();
  return {
    take(who, now) {
      let purse = purses.get(who);
      if (purse === undefined) {
        purse = { left: burst, at: now };
        setBounded(purses, who, purse, MAX_PURSES);
      }
      purse.left = Math.min(burst, purse.left + ((now - purse.at) / 1_000) * perSecond);
      purse.at = now;
      if (purse.left < 1) return false;
      purse.left -= 1;
      return true;
    },
  };
}
