import type { VendorPrices } from "./vendor-prices.ts";

export const google: VendorPrices = {
  name: "google",
  terms: [
    // Gemini priority costs "75 % to 100 % more", off-peak is not published, Vertex flex neither: unpriced.
    {
      providers: ["gcp.gemini"],
      by: "tier",
      values: ["flex", "service_tier_flex", "batch"],
      effect: 0.5,
      inexact: true,
      source: "ai.google.dev/gemini-api/docs/optimization: 50 % discount; whether on cache reads too [unconfirmed]",
    },
    {
      providers: ["gcp.gemini", "gcp.vertex_ai", "gcp.gen_ai"],
      by: "tier",
      values: ["provisioned_throughput"],
      effect: "commitment",
      source: "Vertex AI provisioned throughput is paid by the week or month",
    },
  ],
};
