import { text } from "../../../core/json.ts";
import { activeDatadogSpan, nameOf, observations, parentOf } from "../../tracing/dd-trace.ts";
import type { Framework } from "./framework.ts";

/**
 * Datadog's LLM Observability: spans of kind `agent` that the app makes by `llmobs.trace`, `wrap` or the decorator. Those
 * of its integrations are named after methods, and their frameworks say more.
 */
export const ddTrace: Framework = {
  name: "dd-trace",
  rank: 2,
  slot: "_ddtrace",

  readAround() {
    const observedOf = observations();
    if (observedOf === undefined) return undefined;
    let span = activeDatadogSpan();
    const agents: string[] = [];
    let conversation: string | undefined;
    for (let hops = 0; span && hops < MAX_HOPS; span = parentOf(span), hops += 1) {
      const observed = observedOf(span);
      if (observed === undefined) continue;
      conversation ??= text(observed["_ml_obs.session_id"]);
      if (observed["_ml_obs.meta.span.kind"] !== "agent" || observed["_ml_obs.integration"] !== undefined) continue;
      const agent = text(observed["_ml_obs.name"]) ?? text(nameOf(span));
      if (agent !== undefined && agents[0] !== agent) agents.unshift(agent);
    }
    if (agents.length === 0 && conversation === undefined) return undefined;
    return { agents: agents.length > 0 ? agents : undefined, conversation };
  },
};

const MAX_HOPS = 100;
