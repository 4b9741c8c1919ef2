import type { VendorPrices } from "./vendor-prices.ts";

export const together: VendorPrices = {
  name: "together",
  terms: [
    {
      providers: ["together"],
      by: "geo",
      values: ["regional"],
      effect: 1.25,
      source: "docs.together.ai/docs/serverless/geo-specific-inference: 1.25x on input, cached input and output",
    },
  ],
};
