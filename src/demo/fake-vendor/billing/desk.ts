import { createHash } from "node:crypto";
import type { Answer, Exchange } from "../../../http/exchange.ts";
import { serveHttp } from "../../../http/server.ts";

/** What a billing API answers. */
export type BillingAnswer = Answer;

export interface BillingRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** A vendor's billing API on this machine. Undefined for a path that it does not have. */
export type BillingApi = (request: BillingRequest) => BillingAnswer | undefined;

/** The answer to a request, with the vendor's time in it. @param now in milliseconds since the epoch */
export function answerBilling(api: BillingApi, { path, query, request }: Exchange, now: number): Answer {
  const headers = request.headers as BillingRequest["headers"];
  return dated(api({ path, query, headers }) ?? { status: 404, body: { error: { message: "Not Found" } } }, now);
}

function dated({ status, body, headers }: Answer, now: number): Answer {
  return { status, body, headers: { date: new Date(now).toUTCString(), ...headers } };
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
  const { url, close } = await serveHttp({
    name: "a billing API",
    port: 0,
    route: async (exchange) => {
      seen.push(exchange.request.url ?? "");
      const trouble = troubles.shift();
      return trouble === undefined ? answerBilling(api, exchange, clock()) : dated(trouble, clock());
    },
    failed: (error) => ({ status: 500, body: { error: { message: String(error) } } }),
  });
  return { url, seen, troubles, close };
}
