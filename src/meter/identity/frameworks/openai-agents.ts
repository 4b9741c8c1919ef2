import { object, text } from "../../../core/json.ts";
import type { Framework } from "./framework.ts";

const STORE = Symbol.for("openai.agents.core.asyncLocalStorage");

/** A span of the SDK's own tracing, which is there even when nothing is exported. */
interface Span {
  readonly spanData?: { readonly type?: unknown; readonly name?: unknown };
  readonly previousSpan?: Span;
}

/**
 * OpenAI's Agents SDK: its spans lie in a global store, each knowing the one around it. After a hand-off the new agent
 * takes the first one's place in the chain; both belong to the same task, which is how the first is remembered.
 */
export const openaiAgents: Framework = {
  name: "openai-agents",
  rank: 1,
  store: STORE,

  readAround(_around, kept) {
    const store = object(kept);
    if (store?.active !== true) return undefined;
    const names: string[] = [];
    let agent: string | undefined;
    let hops = 0;
    for (let span = store.span as Span | undefined; span && hops < MAX_HOPS; span = span.previousSpan, hops += 1) {
      const data = span.spanData;
      if (data?.type === "agent" && typeof data.name === "string") {
        // Only the innermost agent of a run is in its chain.
        if (agent !== undefined) names.unshift(agent);
        agent = data.name;
      }
      if (data?.type !== "task" || agent === undefined) continue;
      const first = firstOf(data, agent);
      names.unshift(...(first === agent ? [agent] : [first, agent]));
      agent = undefined;
    }
    if (agent !== undefined) names.unshift(agent);
    if (names.length === 0) return undefined;
    const trace = object(store.trace);
    return { agents: names, conversation: text(trace?.groupId) };
  },
};

/** More than any nesting of agents; a chain that turns in a circle ends here. */
const MAX_HOPS = 200;

/** The agent that began a task, by the task's data: copies of a span share it. */
const firsts = new WeakMap<object, string>();

function firstOf(task: object, agent: string): string {
  const first = firsts.get(task);
  if (first !== undefined) return first;
  firsts.set(task, agent);
  return agent;
}
