import type { Json } from "../../../core/json.ts";
import type { Framework, Identity } from "./framework.ts";

/** What callers write into `metadata`, in the order of trust. */
const KEYS = {
  agent: ["agent", "agent_name", "agentName"],
  team: ["team"],
  project: ["project"],
  run: ["run_id", "runId", "run"],
  conversation: ["conversation_id", "conversationId", "session_id", "sessionId", "thread_id", "threadId"],
  user: ["user_id", "userId", "user"],
} as const;

const FIELDS = ["agent", "team", "project", "run", "conversation", "user"] as const;

/** What a request says of itself: our headers, then its `metadata`, then the `user` that it names to the vendor. */
export const request: Framework = {
  name: "request",
  rank: 4,

  readRequest({ said: headers, facts }) {
    if (headers === undefined && facts?.metadata === undefined) {
      return facts?.user === undefined ? undefined : { user: facts.user };
    }
    const said: { [field in (typeof FIELDS)[number]]?: string } = {};
    for (const field of FIELDS) {
      const value = headers?.[field] ?? fromMetadata(facts?.metadata, KEYS[field]);
      if (value) said[field] = value;
    }
    const user = said.user ?? facts?.user;
    const { agent, ...rest } = said;
    const identity: Identity = { ...rest, agents: agent === undefined ? undefined : [agent], user };
    return headers?.tags === undefined ? identity : { ...identity, tags: headers.tags };
  },
};

function fromMetadata(metadata: Json | undefined, keys: readonly string[]): string | undefined {
  if (metadata === undefined) return undefined;
  for (const key of keys) {
    const value = metadata[key];
    if (typeof value === "string" || typeof value === "number") return String(value);
  }
  return undefined;
}
