import type { VendorPrices } from "./vendor-prices.ts";

export const bedrock: VendorPrices = {
  name: "bedrock",
  terms: [
    {
      providers: ["aws.bedrock"],
      by: "tier",
      values: ["reserved"],
      effect: "commitment",
      source:
        "docs.aws.amazon.com service-tiers-inference: a fixed price per 1,000 tokens a minute; overflow is standard",
    },
    // AWS publishes no number for Bedrock's flex and priority: unpriced.
  ],
};
