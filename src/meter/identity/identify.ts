import type { Faults } from "../../core/faults.ts";
import { type ScopeFields, type ScopeNode, type TagValues, UNKNOWN_AGENT } from "../../core/scope.ts";
import { NO_TAGS } from "../../core/tags/tags.ts";
import type { AgentSpan } from "../tracing/agent-span.ts";
import type { Context, Contexts } from "../tracing/context.ts";
import { lookAround, type Surroundings } from "../tracing/otel-global.ts";
import type { Channel, Entrance, Framework, Identity, ModelRequest } from "./frameworks/framework.ts";
import { createKnownScopes, type KnownScopes, keyOf, nodeIn, nodeWith, present } from "./known-scopes.ts";
import type { NameWatch } from "./tag-collisions.ts";

/**
 * Finds who makes a call, without a line of the user's code. Field by field, the first source that sets a value wins: a
 * scope of the user's, the framework, the active spans, the request, the environment's defaults.
 */
export interface Identifier {
  readonly frameworks: readonly Framework[];
  /** Those that read what is around a call, by rank. */
  readonly readers: readonly Framework[];
  /** Those that read the request, by rank. */
  readonly requestReaders: readonly Framework[];
  readonly contexts: Contexts;
  readonly faults: Faults;
  readonly known: KnownScopes;
}

export interface IdentifierOptions {
  readonly frameworks: readonly Framework[];
  readonly contexts: Contexts;
  readonly faults: Faults;
  readonly watchName: NameWatch;
  /** The names of the tags that the configuration declares. */
  readonly declaredTags?: () => readonly string[];
  /** Called with the name of a tag that is set and not declared. */
  readonly onUndeclaredTag?: (name: string) => void;
}

const globals = globalThis as unknown as { readonly [slot: PropertyKey]: { getStore?(): unknown } | undefined };

export function createIdentifier(options: IdentifierOptions): Identifier {
  const { frameworks, contexts, faults, watchName, declaredTags = () => NO_TAGS, onUndeclaredTag = () => {} } = options;
  const byRank = frameworks.toSorted((one, other) => one.rank - other.rank);
  return {
    frameworks,
    readers: byRank.filter(({ readAround }) => readAround !== undefined),
    requestReaders: byRank.filter(({ readRequest }) => readRequest !== undefined),
    contexts,
    faults,
    known: createKnownScopes({ watchName, declared: declaredTags, onUndeclared: onUndeclaredTag }),
  };
}

/** Who is at work here, according to the frameworks and to the active spans. */
export function identityAround({ readers, faults }: Identifier, surroundings: Surroundings): Identity | undefined {
  let identity: Identity | undefined;
  for (const reader of readers) {
    const { slot, store } = reader;
    if (slot !== undefined && globals[slot] === undefined) continue;
    if (reader.inSpans && surroundings.span === undefined) continue;
    try {
      const kept = store === undefined ? undefined : globals[store]?.getStore?.();
      if (store !== undefined && kept === undefined) continue;
      const more = reader.readAround?.(surroundings, kept);
      if (more !== undefined) identity = identity === undefined ? more : merge(identity, more);
    } catch (error) {
      faults.report("identity", error);
    }
  }
  return identity;
}

/**
 * The scope of a call made in `context`.
 * @param around What {@link identityAround} returned for it.
 */
export function nodeFor(
  { requestReaders, contexts, faults, known }: Identifier,
  context: Context,
  around: Identity | undefined,
  request: ModelRequest,
): ScopeNode {
  let identity = around;
  for (const reader of requestReaders) {
    try {
      const more = reader.readRequest?.(request);
      if (more !== undefined) identity = identity === undefined ? more : merge(identity, more);
    } catch (error) {
      faults.report("identity", error);
    }
  }
  const node = identity === undefined ? context.node : nodeIn(known, context.node, withoutGiven(identity, context));
  return contexts.hasDefaults ? withDefaults(contexts, known, node) : node;
}

/** The scope of a call made here, unless its request says more. */
export function currentNode(identifier: Identifier): ScopeNode {
  const { contexts, known } = identifier;
  return withDefaults(contexts, known, contextHere(identifier, lookAround()).node);
}

/** What a call made here has its span below: the user's span that is active, else the agent's. */
export function placeOf(identifier: Identifier): {
  readonly around: Surroundings;
  readonly agentSpan: AgentSpan | undefined;
} {
  const around = lookAround();
  return { around, agentSpan: contextHere(identifier, around).span };
}

/** The context of a scope that begins here, but for its span. Equal fields give the same node. */
export function enterScope(
  identifier: Identifier,
  fields: ScopeFields,
  surroundings: Surroundings,
): Omit<Context, "span"> {
  const outer = contextHere(identifier, surroundings);
  const own = present(fields);
  const given: ScopeFields = { ...outer.given, ...own };
  const tags = own.tags && outer.given.tags && { ...outer.given.tags, ...own.tags };
  // New parents without a new name: a framework may name the agent.
  const renamed = fields.agent || !fields.parents?.length;
  const { agent: _, ...rest } = given;
  const kept = renamed ? given : rest;
  return {
    node: nodeWith(identifier.known, outer.node, own),
    given: tags === undefined ? kept : { ...kept, tags },
    heard: outer.heard,
  };
}

/** Begins to listen to the frameworks that report their agents themselves. Returns what stops it. */
export function listenToFrameworks(identifier: Identifier): () => void {
  const { frameworks, faults } = identifier;
  const entrance = createEntrance(identifier);
  const stops = frameworks.map(({ listen }) => listen && faults.guard("identity", () => listen(entrance)));
  return () => {
    for (const stop of stops) if (stop) faults.guard("identity", stop);
  };
}

function createEntrance(identifier: Identifier): Entrance {
  const { contexts, faults } = identifier;
  return {
    enter(identity, fn) {
      const context = faults.guard("identity", () => enterIdentity(identifier, identity));
      return context === undefined ? fn() : contexts.run(context, fn);
    },
    guard: (run) => void faults.guard("identity", run),
    bind: (channel, identityOf) => bindChannel(identifier, channel, identityOf),
  };
}

function bindChannel(
  identifier: Identifier,
  channel: Channel,
  identityOf: (message: unknown) => Identity | undefined,
): () => void {
  const { contexts, faults } = identifier;
  const { storage } = contexts;
  channel.bindStore(storage, (message) => {
    const context = faults.guard("identity", () => {
      const identity = identityOf(message);
      return identity && enterIdentity(identifier, identity);
    });
    return context ?? (storage.getStore() as Context);
  });
  return () => channel.unbindStore(storage);
}

/** The context of what a framework begins here. It never overrides a field that the user's scope has set. */
function enterIdentity(identifier: Identifier, identity: Identity): Context {
  const outer = contextHere(identifier, lookAround());
  const open = withoutGiven(identity, { given: outer.given, heard: "" });
  return { ...outer, node: nodeIn(identifier.known, outer.node, open) };
}

/** The current context, inside the scope of who is at work here. */
function contextHere(identifier: Identifier, surroundings: Surroundings): Context {
  const context = identifier.contexts.capture();
  const identity = identityAround(identifier, surroundings);
  if (identity === undefined) return context;
  const node = nodeIn(identifier.known, context.node, withoutGiven(identity, context));
  return { ...context, node, heard: identity.agents === undefined ? context.heard : keyOf(identity.agents) };
}

/** An identity without the fields that the context's scopes have set, and without agents it already is inside of. */
function withoutGiven(identity: Identity, { given, heard }: Pick<Context, "given" | "heard">): Identity {
  const named = given.agent !== undefined || keyOf(identity.agents) === heard;
  return {
    agents: named ? undefined : identity.agents,
    team: given.team === undefined ? identity.team : undefined,
    project: given.project === undefined ? identity.project : undefined,
    run: given.run === undefined ? identity.run : undefined,
    conversation: given.conversation === undefined ? identity.conversation : undefined,
    user: given.user === undefined ? identity.user : undefined,
    tags: given.tags === undefined || identity.tags === undefined ? identity.tags : missing(given.tags, identity.tags),
  };
}

/** Those of `more` that `tags` does not set; undefined without any. */
function missing(tags: TagValues | undefined, more: TagValues): TagValues | undefined {
  if (tags === undefined) return more;
  const left = Object.entries(more).filter(([name]) => tags[name] === undefined);
  return left.length === 0 ? undefined : Object.fromEntries(left);
}

/** The scope with the environment's defaults for the fields that it lacks. */
function withDefaults({ defaults }: Contexts, known: KnownScopes, node: ScopeNode): ScopeNode {
  const { agent, team, project, tags } = defaults;
  const { scope } = node;
  const unnamed = agent !== undefined && scope.agent === UNKNOWN_AGENT;
  const lacks =
    (team !== undefined && scope.team === undefined) || (project !== undefined && scope.project === undefined);
  const untagged = tags === undefined ? undefined : missing(scope.tags, tags);
  if (!unnamed && !lacks && untagged === undefined) return node;
  return nodeIn(known, node, {
    agents: unnamed ? [agent] : undefined,
    team: scope.team === undefined ? team : undefined,
    project: scope.project === undefined ? project : undefined,
    tags: untagged,
  });
}

function merge(first: Identity, second: Identity): Identity {
  return {
    agents: first.agents ?? second.agents,
    team: first.team ?? second.team,
    project: first.project ?? second.project,
    run: first.run ?? second.run,
    conversation: first.conversation ?? second.conversation,
    user: first.user ?? second.user,
    tags:
      first.tags === undefined || second.tags === undefined
        ? (first.tags ?? second.tags)
        : { ...second.tags, ...first.tags },
  };
}
