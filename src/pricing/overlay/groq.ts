import type { VendorPrices } from "./vendor-prices.ts";

export const groq: VendorPrices = {
  name: "groq",
  terms: [
    {
      providers: ["groq"],
      by: "tier",
      values: ["flex"],
      effect: 1,
      source: "console.groq.com/docs/flex-processing: the same price as on demand",
    },
    {
      providers: ["groq"],
      by: "tier",
      values: ["performance"],
      effect: "commitment",
      source: "console.groq.com/docs/performance-tier: provisioned capacity instead of per-token usage",
    },
  ],
};
