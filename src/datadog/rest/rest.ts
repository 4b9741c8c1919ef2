import { setTimeout as wait } from "node:timers/promises";
import { addressesOf, missingKeys, readKeys } from "../client.ts";
import { persistentFetch, TRIES } from "./persistent-fetch.ts";
import { ApiRefusal, notDatadog, UNREACHABLE } from "./refusal.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Datadog's API as it is: JSON in and out, with the keys of an account, and without Datadog's client. */
export interface Rest {
  /**
   * Sends a request; a path begins with `/api/`. Resolves to the answer's JSON, undefined when it has none.
   * @throws ApiRefusal with the reason, for a status of 400 or more and when nothing answers.
   */
  ask(method: string, path: string, body?: unknown): Promise<unknown>;
  /** The address of the web app: `https://app.<site>`. */
  readonly app: string;
}

export interface RestOptions {
  readonly env: Env;
  /** False when points and events are only sent, which needs no application key. Default true. */
  readonly needsAppKey?: boolean;
  /** 1 for a program that asks again by itself. */
  readonly tries?: number;
  /** Waits between tries, in milliseconds. */
  readonly sleep?: (ms: number) => Promise<unknown>;
}

/** Whether the keys are there that {@link openRest} needs. */
export function hasKeys({ env, needsAppKey = true }: RestOptions): boolean {
  return missingKeys(env, needsAppKey).length === 0;
}

/**
 * Opens the account that DD_API_KEY, DD_APP_KEY and DD_SITE name, or SPENDFUSE_DD_API_URL. Needs no package.
 * @throws SpendfuseError `SPENDFUSE_CONFIG` when a key is missing.
 */
export function openRest({ env, needsAppKey = true, tries = TRIES, sleep = wait }: RestOptions): Rest {
  const { apiKey, appKey } = readKeys(env, needsAppKey);
  const { origin, app } = addressesOf(env);
  const { host } = new URL(origin);
  const send = persistentFetch(sleep, env, tries);
  const headers = {
    "dd-api-key": apiKey,
    ...(appKey && { "dd-application-key": appKey }),
    "content-type": "application/json",
    accept: "application/json",
    "x-datadog-managed-by": "iac",
  };
  return {
    app,
    async ask(method, path, body) {
      const content = body === undefined ? {} : { body: JSON.stringify(body) };
      const response = await send(origin + path, { method, headers, ...content });
      const text = await response.text();
      const answer = parseAnswer(text);
      if (response.status >= 400) throw new ApiRefusal(response.status, answer);
      if (typeof answer === "string") throw new ApiRefusal(UNREACHABLE, { errors: [notDatadog(host, answer)] });
      return answer;
    },
  };
}

/** JSON, or the text itself. */
function parseAnswer(text: string): unknown {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
