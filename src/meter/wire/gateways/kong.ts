import type { Gateway } from "./gateway.ts";
import { servedAs } from "./served-as.ts";

/** Kong's AI proxy names the model by its documents, as `openai/gpt-4`. The mark of its semantic cache is unconfirmed. */
export const kong: Gateway = {
  name: "kong",
  signs: ["x-kong-llm-model"],
  cacheHit: { header: "x-cache-status", value: /^hit$/i },
  served: (headers) => servedAs(headers.get("x-kong-llm-model")),
  takesQuestion: false,
};
