import type { ToolPrice } from "../../../pricing/tool-prices.ts";
import type { RpcRequest } from "./mcp.ts";
import type { ToolStreams } from "./tool-streams.ts";

/** A price, ready to be matched. */
export interface PriceRow extends ToolPrice {
  /** What is paid for: by `what`, else by host and path of the row. */
  readonly name: string;
  readonly isHost: (host: string) => boolean;
  readonly isPath: (path: string) => boolean;
  readonly assume: number;
  /** What is held before a request: the most units that answers said, which fades with each that says less. */
  units: number;
}

/** A request that may cost money: its address, and the rows that fit it. */
export interface PricedAddress {
  /** Host with port. */
  readonly address: string;
  readonly path: string;
  /** The whole address. */
  readonly href: string;
  /** Those of all priced addresses. */
  readonly streams: ToolStreams;
  readonly rows: readonly PriceRow[];
  /** Whether the body decides, because a row is of a tool. */
  readonly needsBody: boolean;
}

/** A request that costs money. */
export interface PricedRequest {
  readonly row: PriceRow;
  readonly what: string;
  /** The JSON-RPC request, where it calls an MCP tool. */
  readonly rpc: RpcRequest | undefined;
}
