import type { Gateway } from "./gateway.ts";

/** OpenRouter, by its documents: the cost is in the usage report, and a hit of its response cache is not billed. */
export const openrouter: Gateway = {
  name: "openrouter",
  signs: ["x-openrouter-cache-status", "x-generation-id"],
  cacheHit: { header: "x-openrouter-cache-status", value: /^hit$/i },
  takesQuestion: true,
};
