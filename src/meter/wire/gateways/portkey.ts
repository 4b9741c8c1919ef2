import type { Gateway } from "./gateway.ts";

/** Portkey, hosted or run by the user, by its documents: `HIT` and `SEMANTIC HIT` come out of its cache. */
export const portkey: Gateway = {
  name: "portkey",
  signs: ["x-portkey-trace-id", "x-portkey-cache-status"],
  cacheHit: { header: "x-portkey-cache-status", value: /\bhit$/i },
  takesQuestion: false,
};
