import { object, parse } from "../../../core/json.ts";
import { chargeName } from "../../../pricing/charge.ts";
import type { ToolPrice } from "../../../pricing/tool-prices.ts";
import { createHostTest } from "../hosts.ts";
import { withoutSlashes } from "../target.ts";
import { type RpcRequest, readToolCall, type ToolCall } from "./mcp.ts";
import type { PricedAddress, PricedRequest, PriceRow } from "./priced.ts";
import type { ToolStreams } from "./tool-streams.ts";

/** The prices of one configuration. It knows no transport. */
export interface PriceList {
  /** Found in every address that may have a price, and in few others: the only check that other requests cost. */
  readonly maybe: RegExp;
  /** Undefined where no row fits. `method` in upper case. */
  find(method: string, address: string): PricedAddress | undefined;
}

/** Undefined without rows. The first that fits a request decides. */
export function createPriceList(prices: readonly ToolPrice[]): PriceList | undefined {
  if (prices.length === 0) return undefined;
  const rows = prices.map(rowOf);
  const streams: ToolStreams = new Map();
  const hosts = [...new Set(prices.map(({ host }) => host.replace(/:\d+$/, "")))].map(hostSource);
  return {
    maybe: new RegExp(`^https?://(?:[^/?#]*@)?(?:${hosts.join("|")})(?::\\d+)?(?:[/?#]|$)`, "i"),
    find(method, address) {
      if (FREE_METHODS.has(method)) return undefined;
      const url = URL.parse(address);
      if (url === null) return undefined;
      const path = withoutSlashes(url.pathname);
      const fitting = rows.filter(
        (row) => row.isHost(url.host) && row.isPath(path) && (row.method ?? method) === method,
      );
      if (fitting.length === 0) return undefined;
      const needsBody = fitting.some(({ tool }) => tool !== undefined);
      url.hash = "";
      return { address: url.host, path, href: url.href, streams, rows: fitting, needsBody };
    },
  };
}

/**
 * What a request costs, by its body where that decides: one price, or one for each tool that a batch of JSON-RPC calls.
 * Empty where no row fits.
 */
export function pricesOf({ rows, href, streams }: PricedAddress, body: string | undefined): readonly PricedRequest[] {
  const message = body === undefined ? undefined : parse(body);
  const messages: readonly unknown[] = Array.isArray(message) ? message.slice(0, MAX_BATCH) : [message];
  const calls = messages.map(readToolCall).filter((call) => call !== undefined);
  if (calls.length === 0) return present([priceOf(rows, undefined)]);
  const sent: Omit<RpcRequest, "id"> = {
    batch: Array.isArray(message) ? idsOf(messages) : undefined,
    ...(streams.has(href) && { apart: true }),
  };
  const priced = calls.map((call) => priceOf(rows, call, sent));
  // A row of no tool is of the request, and not of each call in it.
  const whole = priced.find((one) => one !== undefined && one.rpc === undefined);
  return present(whole === undefined ? priced : [whole]);
}

/** Messages without an id are not answered. */
function idsOf(messages: readonly unknown[]): unknown[] {
  return messages.map((message) => object(message)?.id).filter((id) => id !== undefined);
}

/** The most messages of one batch that are read. */
const MAX_BATCH = 1000;

function present(priced: readonly (PricedRequest | undefined)[]): PricedRequest[] {
  return priced.filter((one) => one !== undefined);
}

function priceOf(
  rows: readonly PriceRow[],
  call: ToolCall | undefined,
  sent: Omit<RpcRequest, "id"> = { batch: undefined },
): PricedRequest | undefined {
  for (const row of rows) {
    if (row.tool === undefined) return { row, what: row.name, rpc: undefined };
    if (call === undefined || (row.tool !== "*" && row.tool !== call.tool)) continue;
    return { row, what: nameOf(row, call.tool), rpc: { id: call.id, ...sent } };
  }
  return undefined;
}

/** The row's own name, else the tool's: a server has few, and paths may hold ids. */
function nameOf({ what, name }: PriceRow, tool: string): string {
  return what === undefined ? chargeName(tool) || name : name;
}

/** The most that a request is expected to cost. Nano-USD. */
export function forecastOf({ usd, units }: PriceRow): number {
  return Math.round(usd * units * 1e9);
}

/** Takes what an answer said. */
export function learnUnits(row: PriceRow, units: number): void {
  row.units = Math.max(units, row.units * FADE);
}

/** One answer that was far dearer than the others halves in what is held after some 35 of them. */
const FADE = 0.98;

const FREE_METHODS: ReadonlySet<string> = new Set(["HEAD", "OPTIONS"]);

function rowOf(price: ToolPrice): PriceRow {
  const { host, path = "", method, figure } = price;
  const assume = figure === undefined ? 1 : (price.assume ?? 1);
  return {
    ...price,
    ...(method !== undefined && { method: method.toUpperCase() }),
    name: chargeName(price.what ?? "") || chargeName(host + path),
    isHost: createHostTest([host]),
    isPath: path === "" ? always : pathTest(path),
    assume,
    units: assume,
  };
}

function always(): boolean {
  return true;
}

function pathTest(path: string): (path: string) => boolean {
  const whole = withoutSlashes(path);
  if (!whole.includes("*")) return (other) => other === whole;
  const pattern = new RegExp(`^${whole.split("*").map(escaped).join(".*")}$`);
  return (other) => pattern.test(other);
}

function hostSource(host: string): string {
  return host.split("*").map(escaped).join("[a-z0-9.-]+");
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
