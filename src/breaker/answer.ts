import type { IncomingMessage, ServerResponse } from "node:http";
import { readBody } from "./body.ts";

/** What a route answers. */
export interface Answer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request as a route sees it. */
export interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
}

/** Answers, or has answered by itself. */
export type Route = (visit: Visit) => Promise<Answer | undefined>;

const MAX_BODY = 64 * 1024;

/** Reads a JSON body, or says why not. Rejects when the sender goes away. */
export async function readJson(request: IncomingMessage, maxMs: number): Promise<{ readonly json: unknown } | Answer> {
  // Without a secret any page that a browser shows could post here; only browsers send an origin.
  if (request.headers.origin !== undefined) return fault(403, "browser", "this is not for web pages");
  if (/^(application\/x-www-form-urlencoded|multipart\/)/i.test(request.headers["content-type"] ?? ""))
    return fault(415, "bad_type", 'send JSON: in Datadog, leave "Encode as form" off');
  const body = await readBody(request, MAX_BODY, maxMs);
  if (body.type === "refused") {
    const why = body.status === 413 ? `the body is larger than ${MAX_BODY} bytes` : "the body took too long";
    return { ...fault(body.status, "bad_body", why), headers: { connection: "close" } };
  }
  try {
    return { json: JSON.parse(body.text) };
  } catch {
    return fault(400, "bad_json", "the body is not JSON");
  }
}

export function fault(status: number, code: string, message: string): Answer {
  return { status, body: { error: { code, message } } };
}

export function send(response: ServerResponse, { status, body, headers = {} }: Answer): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}
