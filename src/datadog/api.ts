import { SpendfuseError } from "../core/errors.ts";
import { addressesOf, type ClientOptions } from "./client.ts";

/** Datadog's API without its client: for the few requests of a program that runs for long. */
export interface Api {
  /** The address of the web app: `https://app.<site>`. */
  readonly app: string;
  /** The answer's JSON. @throws SpendfuseError `SPENDFUSE_DATADOG` with the reason of a refusal, or when no answer comes. */
  request(method: "GET" | "POST", path: string, body?: object): Promise<unknown>;
}

const TIMEOUT_MS = 15_000;

/**
 * The account that DD_API_KEY, DD_APP_KEY and DD_SITE name, or SPENDFUSE_DD_API_URL. Undefined without a key that is needed.
 * @param needsAppKey False when points and events are only sent.
 */
export function openApi(env: ClientOptions["env"], needsAppKey = true): Api | undefined {
  const apiKey = env.DD_API_KEY?.trim();
  const appKey = env.DD_APP_KEY?.trim() || env.DD_APPLICATION_KEY?.trim();
  if (!apiKey || (needsAppKey && !appKey)) return undefined;
  const { origin, app } = addressesOf(env);
  const keys = { "dd-api-key": apiKey, ...(appKey && { "dd-application-key": appKey }) };
  return { app, request: (method, path, body) => send(`${origin}${path}`, method, keys, body) };
}

async function send(url: string, method: string, keys: Record<string, string>, body?: object): Promise<unknown> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers: { ...keys, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch (cause) {
    const { host } = new URL(url);
    const { code = (cause as Error).message } = ((cause as Error).cause ?? {}) as { code?: string };
    throw new SpendfuseError("SPENDFUSE_DATADOG", `no answer from ${host}: ${code}`, { host }, cause);
  }
  const answer = parseAnswer(text);
  if (response.ok) return answer;
  const reason = reasonOf(answer) ?? (text.slice(0, 200) || "no reason given");
  throw new SpendfuseError("SPENDFUSE_DATADOG", `Datadog refused (${response.status}): ${reason}`, {
    status: response.status,
  });
}

function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `{ errors: [...] }` of texts, or of `{ title, detail }`. */
function reasonOf(answer: unknown): string | undefined {
  const { errors } = (answer ?? {}) as { errors?: unknown };
  if (!Array.isArray(errors) || errors.length === 0) return undefined;
  return errors
    .map((one) => (typeof one === "string" ? one : [one?.title, one?.detail].filter(Boolean).join(": ")))
    .join("; ");
}
