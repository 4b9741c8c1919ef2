/** Every gateway, one line each; signs are looked for in this order. */

export { braintrust } from "./braintrust.ts";
export { cloudflare } from "./cloudflare.ts";
export { helicone } from "./helicone.ts";
export { kong } from "./kong.ts";
export { litellm } from "./litellm.ts";
export { openrouter } from "./openrouter.ts";
export { portkey } from "./portkey.ts";
export { truefoundry } from "./truefoundry.ts";
export { vercel } from "./vercel.ts";
