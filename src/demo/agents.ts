import type { Clients } from "./clients.ts";
import { HANDBOOK, PAGES, QUESTIONS } from "./prompts.ts";
import type { Ask, Client } from "./requests.ts";

/** What the agents need of the meter: `scope` of the package itself. */
export type RunInScope = <T>(fields: DemoScope, run: () => T) => T;

interface DemoScope {
  readonly agent: string;
  readonly team?: string;
  readonly tags?: { readonly customer: string };
}

export interface Stage {
  readonly clients: Clients;
  readonly scope: RunInScope;
  /** Reports what an agent is doing, for the line under the live table. */
  readonly tell: (agent: string, doing: string) => void;
}

/** The agents in the order they are shown; a sub-agent follows the agent that spawns it. */
export const AGENTS: readonly { readonly name: string; readonly parent?: string }[] = [
  { name: "researcher" },
  { name: "browser" },
  { name: "planner" },
  { name: "flights", parent: "planner" },
  { name: "hotels", parent: "planner" },
  { name: "budget", parent: "planner" },
];

/** An agent's name in a table, indented below the one that spawns it. */
export function nameInTree(agent: string): string {
  const at = AGENTS.findIndex(({ name }) => name === agent);
  const parent = AGENTS[at]?.parent;
  if (parent === undefined) return agent;
  return `${AGENTS[at + 1]?.parent === parent ? "├" : "└"} ${agent}`;
}

export async function runAgents(stage: Stage): Promise<void> {
  await Promise.all([
    stage.scope({ agent: "researcher", team: "search" }, () => researcher(stage)),
    stage.scope({ agent: "browser", team: "search" }, () => browser(stage)),
    stage.scope({ agent: "planner", team: "travel" }, () => planner(stage)),
  ]);
}

/** Streams every answer to its end, through all SDKs; caches are written once and then read. */
async function researcher({ clients, tell }: Stage): Promise<void> {
  const ask = { agent: "researcher", system: HANDBOOK };
  for (const prompt of QUESTIONS.slice(0, 3)) {
    tell("researcher", "streams gpt-5 to the end");
    await read(clients.openaiChat, { ...ask, model: "gpt-5", effort: "low", prompt });
    tell("researcher", "streams claude-sonnet-5 to the end, with a cached prompt");
    await read(clients.anthropic, { ...ask, model: "claude-sonnet-5", cache: "1h", prompt });
    tell("researcher", "streams gpt-5.5 to the end, through the AI SDK");
    await read(clients.ai, { ...ask, model: "gpt-5.5", prompt });
    tell("researcher", "lets claude-haiku-4-5 search the web");
    await read(clients.anthropic, { agent: "researcher", model: "claude-haiku-4-5", webSearch: true, prompt });
  }
  tell("researcher", "lets claude-opus-5 think it over");
  const all = QUESTIONS.join("\n");
  await read(clients.anthropic, { ...ask, model: "claude-opus-5", cache: "5m", thinking: true, prompt: all });
  tell("researcher", "is done");
}

/** Reads the beginning of an answer and moves on: most of its streams end early, each in another way. */
async function browser({ clients, tell }: Stage): Promise<void> {
  const agent = "browser";
  for (const [round, page] of PAGES.slice(0, 2).entries()) {
    const prompt = `What does this page say?\n${page}`;
    const more = round * 25;
    tell(agent, "breaks out of a gpt-5 stream");
    await read(clients.openaiChat, { agent, model: "gpt-5", effort: "minimal", prompt }, { breakAfter: 40 + more });
    tell(agent, "breaks out of a claude-sonnet-5 stream");
    await read(clients.anthropic, { agent, model: "claude-sonnet-5", prompt }, { breakAfter: 8 + round * 4 });
    tell(agent, "breaks out of a gpt-5.5 stream");
    await read(clients.openaiResponses, { agent, model: "gpt-5.5", effort: "none", prompt }, { breakAfter: 60 + more });
    tell(agent, "aborts a gpt-5.5 stream by signal");
    await read(clients.openaiChat, { agent, model: "gpt-5.5", effort: "none", prompt }, { abortAfter: 30 + more });
    tell(agent, "aborts a claude-haiku-4-5 stream by signal");
    await read(clients.anthropic, { agent, model: "claude-haiku-4-5", prompt }, { abortAfter: 6 + round * 4 });
    tell(agent, "aborts an AI SDK stream by signal");
    await read(clients.ai, { agent, model: "gpt-5.5", effort: "none", prompt }, { abortAfter: 50 + more });
    tell(agent, "reads a page to its end");
    await read(clients.openaiChat, { agent, model: "gpt-5", effort: "minimal", includeUsage: true, prompt });
  }
  tell(agent, "loses the connection half way");
  const prompt = `What does this page say?\n${PAGES[2]}`;
  await expectFailure(
    read(clients.openaiChat, { agent, model: "gpt-5", effort: "minimal", trouble: "cut:45", prompt }),
  );
  tell(agent, "is done");
}

/** Makes a plan, hands its parts to three sub-agents at once, and reads what they bring. */
async function planner(stage: Stage): Promise<void> {
  const { clients, tell } = stage;
  const agent = "planner";
  for (const [trip, prompt] of QUESTIONS.slice(0, 3).entries()) {
    tell(agent, "plans a trip with gpt-5.5");
    await clients.openaiChat.whole({ agent, model: "gpt-5.5", system: HANDBOOK, priority: trip === 2, prompt });
    tell(agent, "waits for flights, hotels and budget");
    await Promise.all([flights(stage, prompt), hotels(stage, prompt, trip), budget(stage, prompt)]);
    tell(agent, "sums up with claude-opus-5");
    await clients.anthropic.whole({ agent, model: "claude-opus-5", system: HANDBOOK, cache: "5m", prompt });
  }
  tell(agent, "asks for a model that does not exist");
  await expectFailure(clients.openaiChat.whole({ agent, model: "gpt-5-typo", prompt: "Are you there?" }));
  tell(agent, "is done");
}

function flights({ scope, clients }: Stage, prompt: string): Promise<number> {
  const ask = { agent: "flights", model: "claude-haiku-4-5", system: HANDBOOK, cache: "5m", prompt } as const;
  return scope({ agent: "flights" }, () => read(clients.anthropic, ask));
}

function hotels({ scope, clients }: Stage, prompt: string, trip: number): Promise<number> {
  // The first is refused once and tried again, the last runs into its limit of tokens.
  const ask = { agent: "hotels", model: "gpt-5", effort: "low", prompt, trouble: "busy:hotels" } as const;
  const limit = trip === 2 ? { maxTokens: 120 } : {};
  return scope({ agent: "hotels" }, () => read(clients.openaiResponses, { ...ask, ...limit }));
}

function budget({ scope, clients }: Stage, prompt: string): Promise<string> {
  return scope({ agent: "budget" }, () => clients.ai.whole({ agent: "budget", model: "claude-sonnet-5", prompt }));
}

/** Reads a stream to its end, or up to a number of pieces; resolves to the number read. */
async function read(
  client: Client,
  ask: Ask,
  early: { readonly breakAfter?: number; readonly abortAfter?: number } = {},
): Promise<number> {
  const abort = early.abortAfter === undefined ? undefined : new AbortController();
  let pieces = 0;
  try {
    for await (const _ of client.stream(ask, abort?.signal)) {
      pieces += 1;
      if (pieces === early.breakAfter) break;
      if (pieces === early.abortAfter) abort?.abort();
    }
  } catch (error) {
    if (!abort?.signal.aborted) throw error;
  }
  return pieces;
}

async function expectFailure(call: Promise<unknown>): Promise<void> {
  let failed = false;
  await call.catch(() => {
    failed = true;
  });
  if (!failed) throw new Error("a call that should fail did not");
}
