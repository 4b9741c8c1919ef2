import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  createPriceList,
  forecastOf,
  learnUnits,
  type PriceList,
  pricesOf,
} from "../../../../src/meter/wire/charges/price-list.ts";
import { TOOL_PRICES } from "../../../../src/pricing/tool-prices.ts";

const ROWS = [
  { host: "api.search.io", path: "/search", usd: 0.008, what: "Web search" },
  { host: "api.search.io", path: "/v1/*/pages", method: "post", usd: 0.001 },
  { host: "*.crawl.io:8443", usd: 0.5 },
  { host: "mcp.io", path: "/mcp", tool: "scrape", usd: 0.02 },
  { host: "mcp.io", path: "/mcp", tool: "*", usd: 0.01 },
];
const list = createPriceList(ROWS) as PriceList;

/** The price that an address has, and what for; undefined without one. */
function priced(method: string, address: string, body?: string): readonly [usd: number, what: string] | undefined {
  const found = list.find(method, address);
  // The cheap check must never hide what has a price.
  if (found !== undefined) expect(list.maybe.test(address)).toBe(true);
  const one = found && pricesOf(found, body)[0];
  return one && [one.row.usd, one.what];
}

const call = (name: unknown, more: object = {}): string =>
  JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: {} }, ...more });

describe("a request has the price of the first row that fits", () => {
  test.each<[method: string, address: string, expected: readonly [number, string] | undefined]>([
    ["POST", "https://api.search.io/search", [0.008, "web_search"]],
    ["GET", "https://API.search.io:443/search/?q=1#x", [0.008, "web_search"]],
    ["GET", "http://user:pw@api.search.io:99/search", [0.008, "web_search"]],
    ["HEAD", "https://api.search.io/search", undefined],
    ["OPTIONS", "https://api.search.io/search", undefined],
    ["POST", "https://api.search.io/searches", undefined],
    ["POST", "https://api.search.io/Search", undefined],
    ["POST", "https://api.search.io/v1/7/pages", [0.001, "api.search.io/v1/_/pages"]],
    ["GET", "https://api.search.io/v1/7/pages", undefined],
    ["POST", "https://api.search.io.evil.io/search", undefined],
    ["POST", "https://evil.io/?https://api.search.io/search", undefined],
    ["POST", "https://evil.io/https://api.search.io/search", undefined],
    ["GET", "https://eu.crawl.io:8443/any/thing", [0.5, "_.crawl.io:8443"]],
    ["GET", "https://eu.crawl.io/any", undefined],
    ["POST", "not an address", undefined],
  ])("%s %s", (method, address, expected) => {
    const found = priced(method, address);
    expect(found).toEqual(expected);
  });

  test.each<[body: string | undefined, expected: readonly [number, string] | undefined]>([
    [call("scrape"), [0.02, "scrape"]],
    [call("Find It"), [0.01, "find_it"]],
    [call("scrape", { method: "tools/list" }), undefined],
    [call(7), undefined],
    ["{", undefined],
    ["[]", undefined],
    [undefined, undefined],
  ])("the tool in %s", (body, expected) => {
    expect(priced("POST", "https://mcp.io/mcp", body)).toEqual(expected);
  });
});

test("the check of all other requests passes none by their hosts", () => {
  const addresses = ["https://example.com/search", "https://mcp.iox/mcp", "https://xmcp.io/mcp", "/search", ""];
  expect(addresses.filter((address) => list.maybe.test(address))).toEqual([]);
});

test("without rows there is no list", () => expect(createPriceList([])).toBeUndefined());

test("what is held follows the dearest answer, and fades", () => {
  const found = list.find("POST", "https://api.search.io/search");
  const row = found?.rows[0];
  if (row === undefined) throw new Error("it has a price");
  learnUnits(row, 100);
  expect(forecastOf(row)).toBe(800_000_000);
  for (let answer = 0; answer < 35; answer++) learnUnits(row, 2);
  expect(forecastOf(row)).toBeLessThan(400_000_000);
  for (let answer = 0; answer < 500; answer++) learnUnits(row, 2);
  expect(forecastOf(row)).toBe(16_000_000);
});

const DOCUMENTED = readFileSync(new URL("../../../../docs/charges.md", import.meta.url), "utf8");

describe("the list prices that are shipped", () => {
  test.each(TOOL_PRICES.map((row) => [`${row.host}${row.path}`, row] as const))("%s", (_, row) => {
    const own = createPriceList(TOOL_PRICES) as PriceList;
    const found = own.find(row.method ?? "GET", `https://${row.host}${row.path}`);
    const priced = found && pricesOf(found, undefined)[0];
    expect(priced?.row.usd).toBe(row.usd);
    expect(row.source).toMatch(/^https:\/\//);
    expect(Date.parse(row.read)).toBeGreaterThan(Date.UTC(2026, 0));
    const usd = priced === undefined ? 0 : forecastOf(priced.row) / 1e9;
    expect(usd).toBeGreaterThan(0);
    expect(usd).toBeLessThan(0.1);
    expect(DOCUMENTED).toMatch(new RegExp(`[|;] ${usd} `));
  });
});
