import { STATUS_CODES } from "node:http";

export interface AccountRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: unknown;
}

export interface AccountAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Body = Readonly<Record<string, unknown>>;

export function ok(body: unknown, status = 200): AccountAnswer {
  return { status, body };
}

export function refuse(status: number, ...errors: string[]): AccountAnswer {
  return { status, body: { errors } };
}

const JSON_API = { "content-type": "application/vnd.api+json" };

/** An answer of the APIs that speak JSON:API. */
export function okJsonApi(body: unknown, status = 200): AccountAnswer {
  return { status, body, headers: JSON_API };
}

/** An error of the APIs that speak JSON:API. */
export function refuseJsonApi(status: number, detail?: string, meta?: Body): AccountAnswer {
  const error = {
    status: String(status),
    title: STATUS_CODES[status],
    ...(detail && { detail }),
    ...(meta && { meta }),
  };
  return { status, body: { errors: [error] }, headers: JSON_API };
}

/** Done, with nothing to say. */
export function noContent(): AccountAnswer {
  return { status: 204, headers: { "content-type": "text/html; charset=utf-8" } };
}

export function isBody(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
