import { DEFAULT_PORT } from "../../../breaker/server.ts";
import type { Config } from "../../../config/config.ts";
import { type ErrorCode, SpendfuseError } from "../../../core/errors.ts";

/**
 * Asks a running breaker, as an operator.
 * @throws SpendfuseError `SPENDFUSE_USAGE` on an invalid request, `SPENDFUSE_CONFIG` on a wrong token,
 *   `SPENDFUSE_STORE` when its store is unavailable, `SPENDFUSE_EXPORT` when no breaker answers.
 */
export async function callBreaker<T>(
  config: Config,
  given: string | undefined,
  method: "GET" | "POST",
  path: string,
  body?: object,
): Promise<T> {
  const url = given ?? config.breaker?.url ?? `http://127.0.0.1:${config.breaker?.port ?? DEFAULT_PORT}`;
  const token = config.env.SPENDFUSE_OPERATOR_TOKEN;
  let response: Response;
  try {
    response = await fetch(`${url.replace(/\/+$/, "")}${path}`, {
      method,
      headers: {
        ...(body && { "content-type": "application/json" }),
        ...(token && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
  } catch (cause) {
    const message = `no breaker answers at ${url}: start one with "spendfuse breaker", or name it with --url`;
    throw new SpendfuseError("SPENDFUSE_EXPORT", message, { url }, cause);
  }
  const answer = (await response.json().catch(() => ({}))) as T & { readonly error?: { readonly message?: string } };
  if (response.ok) return answer;
  const why = answer.error?.message ?? `no reason given`;
  const fix = FIXES[response.status] ?? `; check that ${url} is a breaker, and what its log says`;
  throw new SpendfuseError(
    codeOf(response.status),
    `the breaker at ${url} rejected the request (${response.status}): ${why}${fix}`,
    {
      url,
      status: response.status,
    },
  );
}

/** What to do about an answer of the breaker. A refused order says in its message what it must be. */
const FIXES: Readonly<Record<number, string>> = {
  400: "",
  401: "; set SPENDFUSE_OPERATOR_TOKEN to the breaker's token",
  403: "; set SPENDFUSE_OPERATOR_TOKEN to the breaker's token",
  409: "",
  503: "; run this again later: it cannot use its store",
};

function codeOf(status: number): ErrorCode {
  if (status === 400) return "SPENDFUSE_USAGE";
  return status === 401 ? "SPENDFUSE_CONFIG" : "SPENDFUSE_STORE";
}
