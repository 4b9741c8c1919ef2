import type { Gateway } from "./gateway.ts";

/** Helicone's proxies, by their published source. The cost of a call is in Helicone's own records alone. */
export const helicone: Gateway = {
  name: "helicone",
  signs: ["helicone-id", "helicone-cache"],
  cacheHit: { header: "helicone-cache", value: /^hit$/i },
  takesQuestion: false,
};
