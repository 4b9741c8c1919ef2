import { AsyncLocalStorage } from "node:async_hooks";
import { nestScope, type ScopeFields, type ScopeNode } from "../core/scope.ts";
import type { AgentSpan } from "./agent-span.ts";

/** Where a call is made from: its scope, and the agent spans that it adds to. */
export interface Context {
  readonly node: ScopeNode;
  /** The innermost open agent span. */
  readonly span: AgentSpan | undefined;
}

/** The contexts of one process. Captured when fetch is called, because a stream may be read anywhere. */
export interface Contexts {
  current(): Context | undefined;
  /** The current context, or the defaults of the environment. */
  capture(): Context;
  run<T>(context: Context, fn: () => T): T;
  setDefaults(fields: ScopeFields): void;
}

export function createContexts(): Contexts {
  const storage = new AsyncLocalStorage<Context>();
  let outermost: Context = { node: nestScope(undefined, {}), span: undefined };

  return {
    current: () => storage.getStore(),
    capture: () => storage.getStore() ?? outermost,
    run: (context, fn) => storage.run(context, fn),
    setDefaults(fields) {
      outermost = { node: nestScope(undefined, fields), span: undefined };
    },
  };
}
