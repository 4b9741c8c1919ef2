import type { Exchange } from "../../http/exchange.ts";

/** A request whose answer is over; that of an event stream is when its client has left. */
export interface AnsweredRequest {
  /** `other` for one that no route has. */
  readonly method: string;
  /** Without its query; `other` for that of no route, which may hold a secret that was put there by mistake. */
  readonly path: string;
  /** Undefined where the client left before there was one. */
  readonly status: number | undefined;
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** The client's; of a proxy, where there is one between. */
  readonly address: string;
}

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

export function watchExchange(
  { request, response, method, path }: Exchange,
  isKnown: (path: string) => boolean,
  tell: (request: AnsweredRequest) => void,
): void {
  const begun = performance.now();
  // A connection that is closed has no address any more.
  const address = request.socket.remoteAddress ?? "";
  response.once("close", () =>
    tell({
      method: METHODS.has(method) ? method : "other",
      path: isKnown(path) ? path : "other",
      status: response.headersSent ? response.statusCode : undefined,
      ms: Math.round((performance.now() - begun) * 1_000) / 1_000,
      address,
    }),
  );
}

/** One JSON line a request. */
export function requestLine(request: AnsweredRequest, now: number): string {
  const { method, path, status = null, ms, address } = request;
  return JSON.stringify({ at: new Date(now).toISOString(), method, path, status, ms, address });
}
