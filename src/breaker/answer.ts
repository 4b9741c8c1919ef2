import type { IncomingMessage } from "node:http";
import { parse } from "../core/json.ts";
import { readBody } from "../http/body.ts";
import type { Answer } from "../http/exchange.ts";
import { readBrokenText } from "./alert-text.ts";

/** Room for the tags of a large host. */
const MAX_BYTES = 512 * 1024;

/** Reads a JSON body, or returns the refusal. Rejects when the sender disconnects. */
export async function readJson(request: IncomingMessage, maxMs: number): Promise<{ readonly json: unknown } | Answer> {
  // Without a secret any page that a browser shows could post here; only browsers send an origin.
  if (request.headers.origin !== undefined) return fault(403, "browser", "this is not for web pages");
  if (/^(application\/x-www-form-urlencoded|multipart\/)/i.test(request.headers["content-type"] ?? ""))
    return fault(415, "bad_type", 'send JSON: in Datadog, leave "Encode as form" off');
  const body = await readBody(request, { maxBytes: MAX_BYTES, maxMs });
  if (body.type === "refused") return { ...fault(body.status, "bad_body", body.why), headers: { connection: "close" } };
  const text = body.bytes.toString("utf8");
  const json = parseBody(text);
  return json === undefined ? fault(400, "bad_json", "the body is not JSON") : { json };
}

/** The body's JSON, also where what Datadog filled in breaks it; undefined for anything else. */
export function parseBody(text: string): unknown {
  return parse(text) ?? parse(escapeControls(text)) ?? readBrokenText(text);
}

/** Escapes control characters in strings: Datadog fills in variables, of which one may hold a line break. */
function escapeControls(text: string): string {
  let escaped = "";
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '"') quoted = !quoted;
    if (char === "\\" && quoted) escaped += char + text.charAt(++at);
    else escaped += quoted && char < " " ? "\\n" : char;
  }
  return escaped;
}

export function fault(status: number, code: string, message: string): Answer {
  return { status, body: { error: { code, message } } };
}
