import type { Gateway } from "./gateway.ts";

/** Braintrust's AI proxy, by its documents. The cost of a call is in its own logs alone. */
export const braintrust: Gateway = {
  name: "braintrust",
  signs: ["x-bt-cached", "x-bt-used-endpoint"],
  cacheHit: { header: "x-bt-cached", value: /^hit$/i },
  takesQuestion: false,
};
