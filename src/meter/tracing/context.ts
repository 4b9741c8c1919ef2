import { AsyncLocalStorage } from "node:async_hooks";
import { nestScope, type ScopeFields, type ScopeNode } from "../../core/scope.ts";
import type { Work } from "../../core/work/work.ts";
import type { AgentSpan } from "./agent-span.ts";

/** Where a call is made from: its scope, and the agent spans that it adds to. */
export interface Context {
  readonly node: ScopeNode;
  /** The innermost open agent span. */
  readonly span: AgentSpan | undefined;
  /** What scopes have set, without the environment's defaults; it wins over frameworks. */
  readonly given: ScopeFields;
  /** The agents that a framework named when the context was entered: they are outside of it. */
  readonly heard: string;
  /** The work of the innermost scope; undefined outside of any. */
  readonly work?: Work | undefined;
}

/** An `AsyncLocalStorage` as far as we use it: our types need none of Node's. */
export interface ContextStorage {
  getStore(): Context | undefined;
  run<T>(context: Context, fn: () => T): T;
  enterWith(context: Context): void;
}

/** The contexts of one process. Captured when fetch is called, because a stream may be read anywhere. */
export interface Contexts {
  current(): Context | undefined;
  /** The current context, or the outermost one. */
  capture(): Context;
  /** Defaults from the environment. They are not a scope, so that the first named agent is a root. */
  readonly defaults: ScopeFields;
  /** Whether any default is set. */
  readonly hasDefaults: boolean;
  run<T>(context: Context, fn: () => T): T;
  /** Where the current context is kept, to be bound to a channel of `node:diagnostics_channel`. */
  readonly storage: ContextStorage;
  setDefaults(fields: ScopeFields): void;
  /** What is around everything in this process: the scope of whoever started it. */
  setOutermost(context: Context): void;
}

export function createContexts(): Contexts {
  const storage = new AsyncLocalStorage<Context>();
  let outermost: Context = { node: nestScope(undefined, {}), span: undefined, given: {}, heard: "" };

  const contexts: Contexts & { defaults: ScopeFields; hasDefaults: boolean } = {
    storage,
    defaults: {},
    hasDefaults: false,
    current: () => storage.getStore(),
    capture: () => storage.getStore() ?? outermost,
    run: (context, fn) => storage.run(context, fn),
    setDefaults(fields) {
      contexts.defaults = fields;
      contexts.hasDefaults = Object.keys(fields).length > 0;
    },
    setOutermost(context) {
      outermost = context;
    },
  };
  return contexts;
}
