import { AsyncLocalStorage } from "node:async_hooks";
import { type Json, object, text } from "../../../core/json.ts";
import type { Framework } from "./framework.ts";

const STORE = Symbol.for("ls:tracing_async_local_storage");
const CONFIG = Symbol.for("lc:child_config");

/**
 * LangChain and LangGraph: the configuration of what runs lies in a global store. `createAgent` writes its name into the
 * metadata; of a graph only the node is known. A sub-agent's metadata hide those of the agent around it, so that the
 * names of a run are remembered by the place in the graph that each ran at.
 */
export const langchain: Framework = {
  name: "langchain",
  rank: 1,
  store: STORE,

  readAround(_around, kept) {
    const extra = object(object(kept)?.extra) as { [key: symbol]: unknown } | undefined;
    const config = object(extra?.[CONFIG]);
    const metadata = object(config?.metadata);
    if (metadata === undefined) return undefined;
    const name = text(metadata.lc_agent_name);
    const agent = name ?? text(metadata.langgraph_node) ?? text(metadata.agent) ?? text(metadata.agent_name);
    return {
      agents: agent === undefined ? undefined : [...outerAgents(config, metadata, name), agent],
      team: text(metadata.team),
      project: text(metadata.project),
      run: text(metadata.run_id),
      conversation: text(metadata.thread_id) ?? text(metadata.session_id) ?? text(metadata.conversation_id),
      user: text(metadata.user_id),
    };
  },

  // LangChain's core alone, without LangGraph, keeps no store; it uses one that is there.
  listen() {
    const slots = globalThis as { [slot: symbol]: unknown };
    if (slots[STORE] !== undefined) return () => {};
    const ours = new AsyncLocalStorage();
    slots[STORE] = ours;
    return () => {
      if (slots[STORE] === ours) delete slots[STORE];
    };
  },
};

/** The names in one run, by the place in its graph; undefined where two agents began at the same place. */
type Places = Map<string, string | undefined>;

/** By the run's own abort signal, which every graph inside of it is given. */
const runs = new WeakMap<object, Places>();

/** The agents around the one at work, as they were seen when they made calls of their own. */
function outerAgents(config: Json | undefined, metadata: Json, name: string | undefined): readonly string[] {
  const signals = object(object(config?.configurable)?.__pregel_abort_signals);
  const run = object(signals?.externalAbortSignal);
  const place = text(metadata.langgraph_checkpoint_ns) ?? text(metadata.checkpoint_ns);
  if (run === undefined || place === undefined) return [];
  let places = runs.get(run);
  if (places === undefined) {
    places = new Map();
    runs.set(run, places);
  }
  // `tools:ID|model_request:ID`: all but the last part say where the graph itself is called from.
  const parts = place.split("|").slice(0, -1);
  const here = parts.join("|");
  // A signal of the user's own may have several runs, and a place must not be taken for that of another.
  if (name !== undefined) places.set(here, places.has(here) && places.get(here) !== name ? undefined : name);
  const outer: string[] = [];
  for (let depth = 0; depth < parts.length; depth++) {
    const around = places.get(parts.slice(0, depth).join("|"));
    if (around !== undefined) outer.push(around);
  }
  return outer;
}
