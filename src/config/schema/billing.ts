import type { Node, NumberNode, ObjectNode } from "../node.ts";

/** A rate above $1 a token is a slip of the unit. */
const MOST_PER_MTOK = 1_000_000;

function rate(description: string, example: number): NumberNode {
  return { kind: "number", minimum: 0, maximum: MOST_PER_MTOK, description, examples: [example] };
}

const PRICE: ObjectNode = {
  kind: "object",
  type: "PriceRowConfig",
  description: "A price of your own. Zero is a real price: use it for what costs nothing.",
  examples: [{ model: "our-model", inputPerMTok: 0.5, outputPerMTok: 1.5 }],
  required: ["model", "inputPerMTok", "outputPerMTok"],
  keys: {
    model: {
      kind: "string",
      description: "Without a date in its name it covers the model's dated snapshots too.",
      examples: ["our-model"],
    },
    provider: {
      kind: "string",
      description: "The vendor by its OpenTelemetry name. Without it: every vendor.",
      examples: ["openai"],
    },
    inputPerMTok: rate("USD per million input tokens.", 0.5),
    outputPerMTok: rate("USD per million output tokens.", 1.5),
    cacheReadPerMTok: rate("USD per million tokens read from a cache. Without it: the input rate.", 0.05),
    cacheWritePerMTok: rate(
      "USD per million tokens written to a cache. Without it: 1.25 times the input rate for Claude, else the input rate.",
      0.625,
    ),
    cacheWrite1hPerMTok: rate(
      "The same for a cache of one hour. Without it: twice the input rate for Claude, else the cache write rate.",
      1,
    ),
    perThousandWebSearches: rate("USD per thousand web searches. Without it: the vendor's list price.", 10),
    tier: {
      kind: "string",
      description:
        "The row is the price of this service tier itself. Without it, the vendor's factors apply to the row's rates.",
      examples: ["batch"],
    },
    speed: { kind: "string", description: "The row is the price of this speed itself.", examples: ["fast"] },
    from: {
      kind: "string",
      form: "date",
      description: "The first moment of this price, UTC.",
      examples: ["2026-11-01"],
    },
    until: {
      kind: "string",
      form: "date",
      description: "The first moment after this price, UTC.",
      examples: ["2027-01-01"],
    },
  },
};

const DISCOUNT: ObjectNode = {
  kind: "object",
  type: "Discount",
  description: "What an account pays of the price.",
  examples: [{ provider: "openai", factor: 0.9 }],
  required: ["factor"],
  keys: {
    provider: {
      kind: "string",
      description: "The vendor by its OpenTelemetry name. Without it: every vendor.",
      examples: ["openai"],
    },
    model: { kind: "string", description: "Without it: every model.", examples: ["gpt-5"] },
    factor: {
      kind: "number",
      minimum: 0,
      maximum: 10,
      description: "What the price is multiplied by: `0.9` is 10 % off, `1.1` an uplift such as data residency.",
      examples: [0.9],
    },
  },
};

/** Prices of one's own. */
export const PRICE_KEYS = {
  prices: {
    kind: "array",
    description: "Prices of your own. They win over the price book, but not over a cost that a vendor itself reports.",
    examples: [[{ model: "our-model", inputPerMTok: 0.5, outputPerMTok: 1.5 }]],
    items: PRICE,
  },
  discounts: {
    kind: "array",
    description: "The first row that fits a call decides.",
    examples: [[{ provider: "openai", factor: 0.9 }]],
    items: DISCOUNT,
  },
} as const satisfies Readonly<Record<string, Node>>;

/** What the commands about bills need. */
export const BILLING_KEYS = {
  billing: {
    kind: "object",
    type: "BillingConfig",
    description: "What `spendfuse poll` and `spendfuse report` need besides the vendors' keys.",
    examples: [{ db: "spendfuse-bill.db" }],
    keys: {
      db: {
        kind: "string",
        variable: "SPENDFUSE_BILL",
        default: "spendfuse-bill.db",
        description: "The file that holds the vendors' rows.",
      },
      keys: {
        kind: "map",
        description: "The metered name of a key, by the vendor's id or name of it.",
        examples: [{ key_abc: "prod-key" }],
        values: { kind: "string", description: "The metered name.", examples: ["prod-key"] },
      },
      settle: {
        kind: "boolean",
        default: false,
        description:
          "Asks vendors about calls that broke off in the agent's process, with the vendors' keys of its environment. Without it, only `spendfuse poll` asks.",
      },
      customCosts: {
        kind: "boolean",
        default: false,
        description: "Uploads the allocated bill to Datadog's Cloud Cost Management.",
      },
    },
  },
} as const satisfies Readonly<Record<string, Node>>;
