import { type Json, object } from "../../core/json.ts";
import { VERSION } from "../../package/version.ts";
import { listOf, type OpenOptions, watchClock } from "../vendors/vendor.ts";

/** Reads JSON of one API. */
export interface JsonApi {
  /**
   * The object at a path; undefined where there is none.
   * @throws an error in the form of an SDK's for any other status; TypeError or SyntaxError for what is no object
   */
  get(path: string, query: Query): Promise<Json | undefined>;
  /** All items of a paged list: `data`, with `has_more`. `nextOf` gives what the query of the next page adds. */
  list(path: string, query: Query, nextOf: (page: Json, last: Json | undefined) => Query): Promise<readonly Json[]>;
}

type Query = Readonly<Record<string, string | number | readonly string[]>>;

const TIMEOUT_MS = 30_000;
const MAX_CHARACTERS = 32 * 1024 * 1024;
const MAX_PAGES = 200;

/** @param origin The vendor's own address, where the options name no other. */
export function openJsonApi(
  { url, onServerTime }: OpenOptions,
  origin: string,
  headers: Readonly<Record<string, string>>,
): JsonApi {
  const base = (url ?? origin).replace(/\/+$/, "");
  const send = watchClock(onServerTime);

  async function get(path: string, query: Query): Promise<Json | undefined> {
    const response = await send(`${base}${path}${search(query)}`, {
      headers: { ...headers, "user-agent": `spendfuse/${VERSION}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const body = await response.text();
    if (response.status === 404) return undefined;
    if (response.status !== 200) throw refusalOf(response, body);
    const found = body.length > MAX_CHARACTERS ? undefined : object(JSON.parse(body));
    if (found === undefined) throw new TypeError("the answer is no object");
    return found;
  }

  return {
    get,
    async list(path, query, nextOf) {
      const items: Json[] = [];
      let more: Query = {};
      for (let pages = 0; pages < MAX_PAGES; pages++) {
        const page = await get(path, { ...query, ...more });
        if (page === undefined) throw new TypeError("there is no such report");
        const data = listOf(page.data as readonly Json[] | undefined, "data");
        items.push(...data);
        if (page.has_more !== true) return items;
        const next = nextOf(page, data.at(-1));
        if (search(next) === search(more)) throw new TypeError("the same page came again");
        more = next;
      }
      throw new RangeError(`there are more than ${MAX_PAGES} pages`);
    },
  };
}

function search(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    typeof value === "object" ? value.map((one) => [`${name}[]`, one]) : [[name, String(value)]],
  );
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs)}`;
}

function refusalOf({ status, headers }: Response, body: string): Error {
  return Object.assign(new Error(`status ${status}`), { status, headers, body: body.slice(0, 2_000) });
}
