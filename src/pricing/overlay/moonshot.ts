import type { VendorPrices } from "./vendor-prices.ts";

export const moonshot: VendorPrices = {
  name: "moonshot",
  fees: [
    {
      providers: ["moonshot_ai"],
      part: "web_search",
      perThousand: 5,
      source: "platform.kimi.ai/docs/pricing/tools: $0.005 for each call of $web_search",
    },
  ],
};
