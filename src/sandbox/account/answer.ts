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
}

export type Body = Readonly<Record<string, unknown>>;

export function ok(body: unknown, status = 200): AccountAnswer {
  return { status, body };
}

export function refuse(status: number, ...errors: string[]): AccountAnswer {
  return { status, body: { errors } };
}

export function isBody(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
