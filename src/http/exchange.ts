import type { IncomingMessage, ServerResponse } from "node:http";

/** A request and its response, as a route sees them. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** As it was sent, without the query. Empty when the target is not one plain path; no route has that. */
  readonly path: string;
  readonly query: URLSearchParams;
}

/** What a route answers. */
export interface Answer {
  readonly status: number;
  /** Text and bytes are sent as they are, anything else as JSON; nothing when absent. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers; or resolves to undefined when it has written to the response itself. */
export type Route = (exchange: Exchange) => Promise<Answer | undefined>;

/** Routes by path, then by method. A path is compared as it was sent, byte by byte. */
export type Routes = Readonly<Record<string, Readonly<Record<string, Route>>>>;

export type Match =
  | { readonly type: "route"; readonly route: Route }
  | { readonly type: "wrong_method"; readonly allow: readonly string[] }
  | { readonly type: "unknown_path" };

export function findRoute(routes: Routes, { method, path }: Exchange): Match {
  const methods = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (methods === undefined) return { type: "unknown_path" };
  const route = Object.hasOwn(methods, method) ? methods[method] : undefined;
  return route === undefined ? { type: "wrong_method", allow: Object.keys(methods) } : { type: "route", route };
}

/** A segment that some server or proxy would resolve or merge, so that its rules see another path than we do. */
const AMBIGUOUS = /\/(?:\.|%2e){0,2}(?=\/)|\/(?:\.|%2e){1,2}$|[\\#]|%2f|%5c/i;

export function openExchange(request: IncomingMessage, response: ServerResponse): Exchange {
  const { method = "", url = "" } = request;
  const end = url.indexOf("?");
  const path = end === -1 ? url : url.slice(0, end);
  const query = new URLSearchParams(end === -1 ? "" : url.slice(end + 1));
  return { request, response, method, path: path.startsWith("/") && !AMBIGUOUS.test(path) ? path : "", query };
}

export function sendAnswer(response: ServerResponse, { status, body, headers }: Answer): void {
  if (body === undefined) return void response.writeHead(status, headers).end();
  const raw = typeof body === "string" || body instanceof Uint8Array;
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(raw ? body : JSON.stringify(body));
}
