import type { Gateway } from "./gateway.ts";
import { servedAs } from "./served-as.ts";

/**
 * LiteLLM's proxy, from recorded answers of 1.108 and 1.80. It names the deployment that answered, fallbacks included,
 * except on pass-through routes and in 1.80. The cost header is absent, not 0, where it knows no price. Its cache shows
 * by a key, but not on whole Messages and on embeddings, which cannot be told from calls then. It always asks its
 * vendors for usage, and takes the question for every model.
 */
export const litellm: Gateway = {
  name: "litellm",
  signs: ["x-litellm-call-id", "x-litellm-version", "x-litellm-response-cost"],
  cost: "x-litellm-response-cost",
  cacheHit: { header: "x-litellm-cache-key" },
  served: (headers) => servedAs(headers.get("x-litellm-model-name")),
  takesQuestion: true,
  ownPrices: true,
};
