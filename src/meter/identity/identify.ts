import { setBounded } from "../../core/bounded-map.ts";
import type { Faults } from "../../core/faults.ts";
import { nestScope, SCOPE_KINDS, type ScopeFields, type ScopeNode, UNKNOWN_AGENT } from "../../core/scope.ts";
import type { Context, Contexts } from "../tracing/context.ts";
import { lookAround, type Surroundings } from "../tracing/otel-global.ts";
import type { Channel, Entrance, Framework, Identity, ModelRequest } from "./frameworks/framework.ts";
import type { NameWatch } from "./tag-collisions.ts";

/**
 * Who makes a call, without a line of code. Field by field, the first source that sets a value wins: a scope of the
 * user's, the framework, the spans around, the request, the environment's defaults.
 */
export interface Identifier {
  /** Who is at work where we are called, as far as frameworks and the tracing around say. */
  around(surroundings: Surroundings): Identity | undefined;
  /** Who makes a call in `context`: `said` is what was read around it, to which the request adds what it says. */
  nodeFor(context: Context, said: Identity | undefined, request: ModelRequest): ScopeNode;
  /** Who would make a call where we are called, as far as no request says more. */
  current(): ScopeNode;
  /** The scope that begins where we are called, without its span. The same node for the same fields. */
  enter(fields: ScopeFields, surroundings: Surroundings): Omit<Context, "span">;
  /** Begins to hear the frameworks that tell by themselves. Returns what ends it. */
  listen(): () => void;
}

export interface IdentifierOptions {
  readonly frameworks: readonly Framework[];
  readonly contexts: Contexts;
  readonly faults: Faults;
  readonly watchName: NameWatch;
}

const globals = globalThis as unknown as { readonly [slot: PropertyKey]: { getStore?(): unknown } | undefined };
const FIELDS = ["team", "project", "run", "conversation", "user"] as const;

export function createIdentifier({ frameworks, contexts, faults, watchName }: IdentifierOptions): Identifier {
  const byRank = frameworks.toSorted((one, other) => one.rank - other.rank);
  const readers = byRank.filter(({ readAround }) => readAround !== undefined);
  const ofRequest = byRank.filter(({ readRequest }) => readRequest !== undefined);
  const known = new WeakMap<ScopeNode, Map<string, ScopeNode>>();

  function around(surroundings: Surroundings): Identity | undefined {
    let said: Identity | undefined;
    for (const reader of readers) {
      const { slot, store } = reader;
      if (slot !== undefined && globals[slot] === undefined) continue;
      if (reader.inSpans && surroundings.span === undefined) continue;
      try {
        const kept = store === undefined ? undefined : globals[store]?.getStore?.();
        if (store !== undefined && kept === undefined) continue;
        const more = reader.readAround?.(surroundings, kept);
        if (more !== undefined) said = said === undefined ? more : merge(said, more);
      } catch (error) {
        faults.report("identity", error);
      }
    }
    return said;
  }

  /** What of an identity a context leaves to be said. */
  function open({ given, heard }: Pick<Context, "given" | "heard">, identity: Identity): Identity {
    const silent = given.agent !== undefined || keyOf(identity.agents) === heard;
    return {
      agents: silent ? undefined : identity.agents,
      team: given.team === undefined ? identity.team : undefined,
      project: given.project === undefined ? identity.project : undefined,
      run: given.run === undefined ? identity.run : undefined,
      conversation: given.conversation === undefined ? identity.conversation : undefined,
      user: given.user === undefined ? identity.user : undefined,
    };
  }

  function nodesIn(outer: ScopeNode): Map<string, ScopeNode> {
    let nodes = known.get(outer);
    if (nodes === undefined) {
      nodes = new Map();
      known.set(outer, nodes);
    }
    return nodes;
  }

  /** The scope inside `outer` that belongs to an identity. Equal identities share one, which the guard recognises. */
  function nodeIn(outer: ScopeNode, said: Identity): ScopeNode {
    const key = textOf(said);
    if (key === SILENCE) return outer;
    const nodes = nodesIn(outer);
    let node = nodes.get(key);
    if (node === undefined) {
      const fields = fieldsOf(said);
      node = nest(outer, fields);
      // A framework may tell of the same agent at each of its steps.
      const same = Object.keys(fields).join() === "agent" && node.scope.agent === outer.scope.agent;
      if (same) node = outer;
      setBounded(nodes, key, node, MAX_KNOWN);
    }
    return node;
  }

  function nest(outer: ScopeNode, fields: ScopeFields): ScopeNode {
    for (const name of fields.parents ?? []) watchName("agent", String(name));
    for (const kind of ["agent", "team", "project"] as const) {
      const name = fields[kind];
      if (name) watchName(kind, String(name));
    }
    return nestScope(outer, fields);
  }

  /** The scope of a user's own fields inside `outer`, the same one for the same. */
  function nodeWith(outer: ScopeNode, fields: ScopeFields): ScopeNode {
    const { agent, team, project, key, run, conversation, user, parents } = fields;
    const names = parents === undefined ? "" : [...parents].join("\u0002");
    const text = `${agent ?? ""}${MARK}${team ?? ""}${MARK}${project ?? ""}${MARK}${key ?? ""}${MARK}${run ?? ""}${MARK}${conversation ?? ""}${MARK}${user ?? ""}${MARK}${names}${MARK}`;
    const nodes = nodesIn(outer);
    let node = nodes.get(text);
    if (node === undefined) {
      node = nest(outer, fields);
      if (nodes.size >= MAX_KNOWN) nodes.clear();
      nodes.set(text, node);
    }
    return node;
  }

  /** Where we are called, with what is said around it. */
  function here(surroundings: Surroundings): Context {
    const context = contexts.capture();
    const said = around(surroundings);
    if (said === undefined) return context;
    const node = nodeIn(context.node, open(context, said));
    return { ...context, node, heard: said.agents === undefined ? context.heard : keyOf(said.agents) };
  }

  /** A context entered by a framework: it never overrides a field that the user's scope has set. */
  function enterAs(identity: Identity): Context {
    const outer = here(lookAround());
    return { ...outer, node: nodeIn(outer.node, open({ given: outer.given, heard: "" }, identity)) };
  }

  const entrance: Entrance = {
    enter(identity, fn) {
      const context = faults.guard("identity", () => enterAs(identity));
      return context === undefined ? fn() : contexts.run(context, fn);
    },
    guard: (run) => void faults.guard("identity", run),
    bind(channel: Channel, identityOf) {
      const { storage } = contexts;
      channel.bindStore(storage, (message) => {
        const context = faults.guard("identity", () => {
          const identity = identityOf(message);
          return identity && enterAs(identity);
        });
        return context ?? (storage.getStore() as Context);
      });
      return () => channel.unbindStore(storage);
    },
  };

  /** Defaults from the environment, for fields that are not set. */
  function withDefaults(node: ScopeNode): ScopeNode {
    const { agent, team, project } = contexts.defaults;
    const { scope } = node;
    const unnamed = agent !== undefined && scope.agent === UNKNOWN_AGENT;
    const lacks =
      (team !== undefined && scope.team === undefined) || (project !== undefined && scope.project === undefined);
    if (!unnamed && !lacks) return node;
    return nodeIn(node, {
      agents: unnamed ? [agent] : undefined,
      team: scope.team === undefined ? team : undefined,
      project: scope.project === undefined ? project : undefined,
    });
  }

  return {
    around,
    nodeFor(context, said, request) {
      let identity = said;
      for (const reader of ofRequest) {
        try {
          const more = reader.readRequest?.(request);
          if (more !== undefined) identity = identity === undefined ? more : merge(identity, more);
        } catch (error) {
          faults.report("identity", error);
        }
      }
      const node = identity === undefined ? context.node : nodeIn(context.node, open(context, identity));
      return contexts.hasDefaults ? withDefaults(node) : node;
    },
    current: () => withDefaults(here(lookAround()).node),
    enter(fields, surroundings) {
      const outer = here(surroundings);
      const given: ScopeFields = { ...outer.given, ...present(fields) };
      // New parents need a new name.
      const renamed = fields.agent || !fields.parents?.length;
      const { agent: _, ...rest } = given;
      return { node: nodeWith(outer.node, fields), given: renamed ? given : rest, heard: outer.heard };
    },
    listen() {
      const undo = frameworks.map(({ listen }) => listen && faults.guard("identity", () => listen(entrance)));
      return () => {
        for (const step of undo) if (step) faults.guard("identity", step);
      };
    },
  };
}

/** Scopes remembered of one around them: conversations and runs have no end. */
const MAX_KNOWN = 500;
const MARK = "\u0001";
const SILENCE = MARK.repeat(FIELDS.length);

function keyOf(agents: readonly string[] | undefined): string {
  return agents === undefined ? "" : agents.join("\u0002");
}

function textOf(identity: Identity): string {
  const { agents, team, project, run, conversation, user } = identity;
  return `${keyOf(agents)}${MARK}${team ?? ""}${MARK}${project ?? ""}${MARK}${run ?? ""}${MARK}${conversation ?? ""}${MARK}${user ?? ""}`;
}

function fieldsOf({ agents, ...rest }: Identity): ScopeFields {
  const agent = agents?.at(-1);
  const parents = agents !== undefined && agents.length > 1 ? agents.slice(0, -1) : undefined;
  return present({ ...rest, ...(agent !== undefined && { agent }), ...(parents && { parents }) } as ScopeFields);
}

/** The fields that say something. */
function present(fields: ScopeFields): ScopeFields {
  const said: { [field: string]: unknown } = {};
  for (const kind of SCOPE_KINDS) {
    const value = fields[kind] as unknown;
    if (value !== undefined && value !== null && value !== "") said[kind] = value;
  }
  if (fields.parents !== undefined && fields.parents.length > 0) said.parents = fields.parents;
  return said;
}

function merge(first: Identity, second: Identity): Identity {
  return {
    agents: first.agents ?? second.agents,
    team: first.team ?? second.team,
    project: first.project ?? second.project,
    run: first.run ?? second.run,
    conversation: first.conversation ?? second.conversation,
    user: first.user ?? second.user,
  };
}
