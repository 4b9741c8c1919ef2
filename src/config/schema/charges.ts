import { MAX_CALL_USD } from "../../core/figures.ts";
import type { Node, ObjectNode } from "../node.ts";

const CHARGE: ObjectNode = {
  kind: "object",
  type: "ChargeConfig",
  description: "The price of requests to an API that is no model.",
  examples: [{ host: "api.tavily.com", path: "/search", usd: 0.008 }],
  required: ["host", "usd"],
  keys: {
    host: {
      kind: "string",
      form: "host",
      description: "An exact name, or with `*` for any part of it, each with or without `:port`.",
      examples: ["api.tavily.com"],
    },
    path: {
      kind: "string",
      form: "path",
      description: "The whole path, or with `*` for any part of it. Without it: every path of the host.",
      examples: ["/search"],
    },
    method: {
      kind: "enum",
      values: ["GET", "POST", "PUT", "PATCH", "DELETE"],
      description: "Without it: every method but `HEAD` and `OPTIONS`.",
      examples: ["POST"],
    },
    tool: {
      kind: "string",
      description: "The name of a tool of an MCP server, or `*` for each: only requests that call it have the price.",
      examples: ["web_search"],
    },
    usd: {
      kind: "number",
      minimum: 0,
      maximum: MAX_CALL_USD,
      description: "USD for a request that succeeds, or for one unit of `figure`.",
      examples: [0.008],
    },
    figure: {
      kind: "string",
      description: "The member of the JSON answer that says how many units it cost, such as `usage.credits`.",
      examples: ["usage.credits"],
    },
    assume: {
      kind: "number",
      minimum: 0,
      maximum: MAX_CALL_USD,
      default: 1,
      description: "Units of an answer without the figure, and what is held before the first answer.",
      examples: [0.007],
    },
    what: {
      kind: "string",
      description: "What is paid for, as metrics and reports show it. Without it: the tool, or host and path.",
      examples: ["web search"],
    },
  },
};

/** Charges that are no model call. */
export const CHARGE_KEYS = {
  charges: {
    kind: "array",
    description:
      "Prices of requests to tools, by host and path: a request that succeeds counts in ledger, budgets and reports, and a guard may refuse it. The first row that fits decides.",
    examples: [[{ host: "api.tavily.com", path: "/search", usd: 0.008 }]],
    items: CHARGE,
  },
  toolPrices: {
    kind: "boolean",
    default: false,
    description: "The same at the list prices of well-known tool APIs (docs/charges.md), after the rows of `charges`.",
  },
} as const satisfies Readonly<Record<string, Node>>;
