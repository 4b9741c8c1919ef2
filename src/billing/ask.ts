import { isSpendfuseError } from "../core/errors.ts";
import { retryAfterMs } from "../http/retry-after.ts";

/** An error thrown by a vendor's SDK, in a form that does not depend on the SDK. */
export interface VendorFault {
  /** HTTP status; undefined without a response. */
  readonly status: number | undefined;
  readonly message: string;
  /** Delay requested by the vendor, in milliseconds. */
  readonly retryAfterMs: number | undefined;
}

export interface Patience {
  readonly sleep: (ms: number) => Promise<unknown>;
  /** From 0 to 1, for jitter. */
  readonly random: () => number;
}

const TRIES = 6;
const BASE_MS = 1_000;
const MAX_WAIT_MS = 120_000;
/** Attempts at a limit without a retry delay: that is a spend cap, which retries do not lift. */
const CAP_TRIES = 2;
const CAP_WAIT_MS = 30_000;
const RETRIED = new Set([408, 409, 425, 429, 500, 502, 503, 504, 529]);

/** Runs a request and retries transient failures, after the vendor's delay or else with backoff and jitter. */
export async function ask<T>(run: () => Promise<T>, { sleep, random }: Patience): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      const fault = faultOf(error);
      if (fault === undefined || (fault.status !== undefined && !RETRIED.has(fault.status))) throw error;
      const capped = fault.status === 429 && fault.retryAfterMs === undefined;
      if (attempt >= (capped ? CAP_TRIES : TRIES)) throw error;
      const base = capped ? CAP_WAIT_MS : Math.min(BASE_MS * 2 ** (attempt - 1), MAX_WAIT_MS);
      const wanted = fault.retryAfterMs ?? (capped ? base : base / 2);
      await sleep(Math.min(wanted, MAX_WAIT_MS) + random() * Math.min(base, BASE_MS * 4) * 0.5);
    }
  }
}

/** Undefined for an error that no vendor's SDK threw, such as one of the file system. */
export function faultOf(error: unknown): VendorFault | undefined {
  if (isSpendfuseError(error)) return undefined;
  const { status, statusCode, headers, message, body, error: sent } = (error ?? {}) as Thrown;
  const code = typeof status === "number" ? status : typeof statusCode === "number" ? statusCode : undefined;
  const network = code === undefined ? networkCode(error) : undefined;
  if (code === undefined && network === undefined) return undefined;
  const text = typeof body === "string" && body !== "" ? messageIn(body) : (sent?.error?.message ?? sent?.message);
  return {
    status: code,
    message: text ?? `${message ?? "no reason given"}${network === undefined ? "" : ` (${network})`}`,
    retryAfterMs: headers?.get ? retryAfter(headers) : undefined,
  };
}

interface Thrown {
  readonly status?: unknown;
  readonly statusCode?: unknown;
  readonly headers?: Headers;
  readonly message?: string;
  readonly body?: unknown;
  /** The body of the response, as sent or unwrapped by the SDK. */
  readonly error?: { readonly message?: string; readonly error?: { readonly message?: string } };
}

/** The code of a network error; SDKs wrap it several times. */
function networkCode(error: unknown): string | undefined {
  let at = error as { readonly code?: unknown; readonly name?: string; readonly cause?: unknown } | undefined;
  for (let depth = 0; at !== undefined && at !== null && depth < 6; depth++) {
    if (typeof at.code === "string" && /^(E[A-Z]+|UND_ERR_\w+|CERT_\w+|DEPTH_\w+)$/.test(at.code)) return at.code;
    if (/Timeout/.test(at.name ?? "")) return "timeout";
    at = at.cause as typeof at;
  }
  return undefined;
}

function messageIn(body: string): string {
  try {
    const { error } = JSON.parse(body) as { readonly error?: { readonly message?: string } | string };
    return typeof error === "string" ? error : (error?.message ?? body.slice(0, 300));
  } catch {
    return body.slice(0, 300);
  }
}

/** Seconds, or a date. */
function retryAfter(headers: Headers): number | undefined {
  const ms = Number(headers.get("retry-after-ms") ?? "");
  if (ms > 0) return ms;
  return retryAfterMs(headers, Date.now());
}
