import { object, parse } from "../../../core/json.ts";
import type { Refusal } from "../../../limits/refusal.ts";
import type { Target } from "../../wire/target.ts";

/** Whether a handshake may be refused: only where it is surely one to a model. */
export function isSure({ host, route }: Target): boolean {
  return host !== undefined || route.endpoint.evidence !== undefined;
}

/** The error with which a refused handshake fails. Its `error` and `spendfuse` are as in the vendor's own errors. */
export function errorOf({ status, body }: Refusal): Error {
  const error = object(object(parse(body))?.error);
  return Object.assign(new Error(String(error?.message ?? "blocked by spendfuse")), {
    code: "SPENDFUSE_BLOCKED",
    status,
    error,
    spendfuse: error?.spendfuse,
  });
}

/** The text of a message, where it may be JSON; undefined for other bytes. */
export function textOf(data: unknown): string | undefined {
  if (typeof data === "string") return data;
  const bytes = bytesOf(data);
  return bytes?.[0] === BRACE ? bytes.toString() : undefined;
}

function bytesOf(data: unknown): Buffer | undefined {
  if (Buffer.isBuffer(data)) return data;
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return Buffer.from(data);
  return Array.isArray(data) && data.every(Buffer.isBuffer) ? Buffer.concat(data) : undefined;
}

const BRACE = 123;
