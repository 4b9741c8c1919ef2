import { parse } from "../../../core/json.ts";
import type { AbandonedCalls } from "../../call/abandoned-calls.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { readAhead } from "../bodies/read-ahead.ts";
import { relayResponse } from "./response.ts";
import { showHeaders } from "./shown-response.ts";

/** Statuses with which vendors and gateways report that a cap of theirs is reached. */
const CAP_STATUSES = new Set([400, 402, 403, 422, 429]);
/** A cap's error is small, and comes with its head: beyond either the body is left to the caller. */
const MAX_BYTES = 64 * 1024;
const LIMITS = { maxBytes: MAX_BYTES, maxMs: 50 };

export function mayBeCap({ status, headers, body, bodyUsed }: Response): boolean {
  if (!CAP_STATUSES.has(status) || bodyUsed || !(body instanceof ReadableStream)) return false;
  const length = Number(headers.get("content-length") ?? 0);
  return (headers.get("content-type") ?? "").includes("json") && length <= MAX_BYTES;
}

/**
 * The parsed body of an error, read ahead of the caller, who gets every byte and error of it when it reads; undefined
 * where the body is large, late or broken.
 */
export async function readError(response: Response, call: OpenCall, abandoned: AbandonedCalls): Promise<unknown> {
  const { stream, source } = relayResponse(response, call, abandoned);
  const text = await readAhead(() => source.readAhead(), LIMITS);
  if (text !== undefined) return parse(text);
  // The body is locked, so that fetch no longer cancels it when the response is collected.
  dropped.register(stream, source.lock());
  return undefined;
}

/** Tells the SDKs not to try again. */
export function forbidRetry(response: Response): void {
  const headers = new Headers(response.headers);
  headers.set("x-should-retry", "false");
  showHeaders(response, headers);
}

const dropped = new FinalizationRegistry<ReadableStreamDefaultReader<Uint8Array>>((reader) => {
  reader.cancel().catch(() => {});
});
