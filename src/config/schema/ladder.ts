import type { NumberNode, ObjectNode } from "../node.ts";

/** A share of a cap. */
const SHARE: Omit<NumberNode, "description"> = { kind: "number", minimum: 0, maximum: 1, examples: [0.8] };

export const LADDER: ObjectNode = {
  kind: "object",
  type: "LadderConfig",
  description: "What is done to calls before the cap refuses them, each from its share of the cap on.",
  examples: [{ downgrade: { at: 0.8, models: { "gpt-5": "gpt-5-mini" } } }],
  keys: {
    throttle: {
      kind: "object",
      type: "ThrottleConfig",
      description: "Slows calls down: each scope's wait for one another, in the order in which they came.",
      examples: [{ at: 0.6, every: "2s", atOnce: 2 }],
      required: ["at"],
      anyOf: ["every", "atOnce"],
      keys: {
        at: { ...SHARE, description: "The share of the cap; `0.6` is 60 %." },
        every: {
          kind: "string",
          form: "duration",
          description: "The least time from one call to the next, of all processes that share the store.",
          examples: ["2s"],
        },
        atOnce: {
          kind: "number",
          integer: true,
          minimum: 1,
          maximum: Number.MAX_SAFE_INTEGER,
          description: "The most calls at once, in each process.",
          examples: [2],
        },
      },
    },
    downgrade: {
      kind: "object",
      type: "DowngradeConfig",
      description: "Asks another model than the request names. The span, the record and a header of the answer say so.",
      examples: [{ at: 0.8, models: { "gpt-5": "gpt-5-mini" } }],
      required: ["at", "models"],
      keys: {
        at: { ...SHARE, description: "The share of the cap; `0.8` is 80 %." },
        models: {
          kind: "map",
          description: "The model to ask instead, by the model's exact name in the request; both of the same API.",
          examples: [{ "gpt-5": "gpt-5-mini" }],
          values: { kind: "string", description: "The model to ask instead.", examples: ["gpt-5-mini"] },
        },
      },
    },
    shorten: {
      kind: "object",
      type: "ShortenConfig",
      description: "Limits the output of each call; a lower limit of the request's own stays.",
      examples: [{ at: 0.9, maxOutput: 1_000 }],
      required: ["at", "maxOutput"],
      keys: {
        at: { ...SHARE, description: "The share of the cap; `0.9` is 90 %." },
        maxOutput: {
          kind: "number",
          integer: true,
          minimum: 1,
          maximum: Number.MAX_SAFE_INTEGER,
          description: "Output tokens of one call.",
          examples: [1_000],
        },
      },
    },
  },
};
