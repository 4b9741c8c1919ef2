import { type Answer, type Exchange, sendAnswer } from "../../http/exchange.ts";
import { serveHttp } from "../../http/server.ts";

/** A paid search API on this machine, which bills each search by the customer whose key it carries. */
export interface SearchApi {
  readonly url: string;
  readonly bill: readonly BilledSearch[];
  close(): Promise<void>;
}

export interface BilledSearch {
  /** The part of the key after `search-`. */
  readonly customer: string;
  /** Nano-USD. */
  readonly cost: number;
}

/** Its list price, in nano-USD. */
const PRICE = 8_000_000;

export async function startSearchApi(): Promise<SearchApi> {
  const bill: BilledSearch[] = [];
  const route = async ({ method, path, request, response }: Exchange): Promise<Answer | undefined> => {
    request.resume();
    const customer = /\bsearch-(.+)$/.exec(request.headers.authorization ?? "")?.[1];
    if (method !== "POST" || path !== "/search") return { status: 404 };
    if (customer === undefined) return { status: 401, body: { detail: "no key" } };
    bill.push({ customer, cost: PRICE });
    sendAnswer(response, { status: 200, body: { results: [{ title: "Night trains", score: 0.9 }] } });
    return undefined;
  };
  const server = await serveHttp({ name: "the demo's search API", port: 0, route, failed: () => ({ status: 500 }) });
  return { url: server.url, bill, close: () => server.close() };
}
