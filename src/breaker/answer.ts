import type { IncomingMessage } from "node:http";
import { readBody } from "../http/body.ts";
import type { Answer } from "../http/exchange.ts";

const MAX_BYTES = 64 * 1024;

/** Reads a JSON body, or returns the refusal. Rejects when the sender disconnects. */
export async function readJson(request: IncomingMessage, maxMs: number): Promise<{ readonly json: unknown } | Answer> {
  // Without a secret any page that a browser shows could post here; only browsers send an origin.
  if (request.headers.origin !== undefined) return fault(403, "browser", "this is not for web pages");
  if (/^(application\/x-www-form-urlencoded|multipart\/)/i.test(request.headers["content-type"] ?? ""))
    return fault(415, "bad_type", 'send JSON: in Datadog, leave "Encode as form" off');
  const body = await readBody(request, { maxBytes: MAX_BYTES, maxMs });
  if (body.type === "refused") return { ...fault(body.status, "bad_body", body.why), headers: { connection: "close" } };
  try {
    return { json: JSON.parse(body.bytes.toString("utf8")) };
  } catch {
    return fault(400, "bad_json", "the body is not JSON");
  }
}

export function fault(status: number, code: string, message: string): Answer {
  return { status, body: { error: { code, message } } };
}
