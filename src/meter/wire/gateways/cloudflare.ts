import type { Gateway } from "./gateway.ts";

/** Cloudflare's AI Gateway, by its documents. What a call cost is in its logs alone; it passes questions on as they are. */
export const cloudflare: Gateway = {
  name: "cloudflare",
  signs: ["cf-aig-log-id", "cf-aig-cache-status"],
  cacheHit: { header: "cf-aig-cache-status", value: /^hit$/i },
  takesQuestion: false,
};
