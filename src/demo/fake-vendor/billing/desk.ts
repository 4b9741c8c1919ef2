import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a billing API answers. */
export interface BillingAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface BillingRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** A vendor's billing API on this machine. Undefined for a path that it does not have. */
export type BillingApi = (request: BillingRequest) => BillingAnswer | undefined;

export function parseRequest({ url = "", headers }: IncomingMessage): BillingRequest {
  const { pathname, searchParams } = new URL(url, "http://vendor");
  return { path: pathname, query: searchParams, headers: headers as BillingRequest["headers"] };
}

/** Values of a list in a query: `group_by[]=a&group_by[]=b`. */
export function listIn(query: URLSearchParams, name: string): readonly string[] {
  return [...query.getAll(`${name}[]`), ...query.getAll(name)].filter((value) => value !== "");
}

/** A cursor that is worth nothing under another query than its own. */
export function writeCursor(query: URLSearchParams, at: number): string {
  return Buffer.from(JSON.stringify([digest(query), at])).toString("base64url");
}

/** Undefined when it is not the cursor of this query. */
export function readCursor(query: URLSearchParams): number | undefined {
  const text = query.get("page");
  if (text === null) return 0;
  try {
    const [hash, at] = JSON.parse(Buffer.from(text, "base64url").toString()) as [string, number];
    return hash === digest(query) ? at : undefined;
  } catch {
    return undefined;
  }
}

function digest(query: URLSearchParams): string {
  const rest = [...query].filter(([name]) => name !== "page").sort();
  return createHash("sha256").update(JSON.stringify(rest)).digest("hex").slice(0, 16);
}

export interface BillingServer {
  readonly url: string;
  /** Requests by path and query, in their order. */
  readonly seen: readonly string[];
  /** Answers of this kind come first, one a request: for troubles. */
  readonly troubles: BillingAnswer[];
  close(): Promise<void>;
}

/** @param clock the vendor's own, in milliseconds since the epoch; it is in the `Date` of each answer */
export async function startBillingServer(api: BillingApi, clock: () => number = Date.now): Promise<BillingServer> {
  const seen: string[] = [];
  const troubles: BillingAnswer[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    seen.push(request.url ?? "");
    const answer = troubles.shift() ??
      api(parseRequest(request)) ?? { status: 404, body: { error: { message: "Not Found" } } };
    send(response, answer, clock());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    troubles,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export function send(response: ServerResponse, { status, body, headers }: BillingAnswer, now: number): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const date = new Date(now).toUTCString();
  response.writeHead(status, { "content-type": "application/json", date, ...headers }).end(text);
}
