import type { PriceRow } from "../rows.ts";
import type { VendorPrices } from "./vendor-prices.ts";

const PROVIDERS = ["aws.bedrock"] as const;
const PAGE = "aws.amazon.com/bedrock/pricing, US East [unconfirmed]";

/** Of models that the library lacks, or takes for another version. */
const prices: readonly PriceRow[] = [
  { providers: PROVIDERS, model: "amazon.titan-embed-text-v1", rates: { input: 0.1, output: 0 }, source: PAGE },
  { providers: PROVIDERS, model: "amazon.titan-embed-text-v2:0", rates: { input: 0.02, output: 0 }, source: PAGE },
  { providers: PROVIDERS, model: "cohere.embed-english-v3", rates: { input: 0.1, output: 0 }, source: PAGE },
  { providers: PROVIDERS, model: "cohere.embed-multilingual-v3", rates: { input: 0.1, output: 0 }, source: PAGE },
  { providers: PROVIDERS, model: "cohere.command-r-v1:0", rates: { input: 0.5, output: 1.5 }, source: PAGE },
  { providers: PROVIDERS, model: "cohere.command-r-plus-v1:0", rates: { input: 3, output: 15 }, source: PAGE },
  { providers: PROVIDERS, model: "ai21.jamba-1-5-mini-v1:0", rates: { input: 0.2, output: 0.4 }, source: PAGE },
  { providers: PROVIDERS, model: "ai21.jamba-1-5-large-v1:0", rates: { input: 2, output: 8 }, source: PAGE },
  // As the endpoint `bedrock-mantle` names them; the library has them with their versions, at these prices.
  { providers: PROVIDERS, model: "openai.gpt-oss-120b", rates: { input: 0.15, output: 0.6 }, source: PAGE },
  { providers: PROVIDERS, model: "openai.gpt-oss-20b", rates: { input: 0.07, output: 0.3 }, source: PAGE },
];

export const bedrock: VendorPrices = {
  name: "bedrock",
  prices,
  terms: [
    {
      providers: PROVIDERS,
      by: "tier",
      values: ["reserved"],
      effect: "commitment",
      source:
        "docs.aws.amazon.com service-tiers-inference: a fixed price per 1,000 tokens a minute; overflow is standard",
    },
    // AWS publishes no number for Bedrock's flex and priority: unpriced.
  ],
};
