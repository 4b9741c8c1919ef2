import { setImmediate } from "node:timers";
import type { Faults } from "../../core/faults.ts";
import type { ScopeFields } from "../../core/scope.ts";
import { isPlainPromise, isPromise } from "../../core/values/promise.ts";
import { newWork, type Work, type Works } from "../../core/work/work.ts";
import { type AgentSpan, finishRun, openAgentSpan } from "../tracing/agent-span.ts";
import type { Context, Contexts } from "../tracing/context.ts";
import { lookAround, type Surroundings } from "../tracing/otel-global.ts";
import type { Tracing } from "../tracing/tracing.ts";
import { enterScope, type Identifier } from "./identify.ts";

/** Runs code in a scope, and carries a scope to where the runtime would lose it. */
export interface Scoping {
  /** Runs `fn` with every model call in it belonging to `fields`; inner scopes inherit and roll up. */
  scope<T>(fields: ScopeFields, fn: () => T): T;
  /** The same function, always run in the scope in which it was bound: for queues and event handlers. */
  bind<A extends unknown[], R>(fn: (...args: A) => R): (...args: A) => R;
}

/** What scopes are run with, which each of their steps is given. */
interface ScopingState {
  readonly contexts: Contexts;
  readonly tracing: Tracing;
  readonly faults: Faults;
  readonly identifier: Identifier;
  readonly works: Works | undefined;
}

/** What a scope opened, and closes when it is over. */
interface Opened {
  /** Undefined when the scope has no span of its own. */
  readonly span: AgentSpan | undefined;
  readonly work: Work | undefined;
}

/** @param works Is told when scopes begin and end. */
export function createScoping(
  contexts: Contexts,
  tracing: Tracing,
  faults: Faults,
  identifier: Identifier,
  works?: Works,
): Scoping {
  const state: ScopingState = { contexts, tracing, faults, identifier, works };
  return {
    scope: (fields, fn) => runInScope(state, fields, fn),
    bind: (fn) => bindToContext(state, fn),
  };
}

function runInScope<T>(state: ScopingState, fields: ScopeFields, fn: () => T): T {
  const { contexts, faults } = state;
  const outer = contexts.current();
  const around = lookAround();
  let context: Context;
  try {
    context = enter(state, fields, outer, around);
  } catch (error) {
    faults.report("request", error);
    return fn();
  }
  const opened: Opened = { span: context.span === outer?.span ? undefined : context.span, work: context.work };
  let result: T;
  try {
    // Without a context manager no other code can see the span.
    result = around.context === undefined ? contexts.run(context, fn) : within(state, context, fn);
  } catch (error) {
    finish(state, opened, error ?? true);
    throw error;
  }
  return follow(state, result, context, opened) as T;
}

function bindToContext<A extends unknown[], R>(state: ScopingState, fn: (...args: A) => R): (...args: A) => R {
  const context = state.contexts.capture();
  return function (this: unknown, ...args) {
    return within(state, context, () => fn.apply(this, args));
  };
}

/** The context of a scope that begins here, with a span of its own when the scope names an agent. */
function enter(
  { identifier, tracing, faults, works }: ScopingState,
  fields: ScopeFields,
  outer: Context | undefined,
  around: Surroundings,
): Context {
  const { node, given, heard } = enterScope(identifier, fields, around);
  const named = fields.agent !== undefined && fields.agent !== "";
  let span = outer?.span;
  try {
    if (named) span = openAgentSpan(tracing, node.scope.agent, outer?.span, around);
  } catch (error) {
    faults.report("span", error);
  }
  const work =
    works && (fields.run === undefined ? newWork(outer?.work, node) : works.begin(outer?.work, node, node.scope.run));
  return { node, given, heard, span, work };
}

function within<T>({ contexts, tracing }: ScopingState, context: Context, fn: () => T): T {
  const span = context.span?.span;
  return span === undefined ? contexts.run(context, fn) : contexts.run(context, () => tracing.within(span, fn));
}

function finish({ faults, works }: ScopingState, { span, work }: Opened, error?: unknown): void {
  if (work !== undefined) works?.end(work, error);
  try {
    if (span !== undefined) finishRun(span, error);
  } catch (fault) {
    faults.report("span", fault);
  }
}

/** Ends what the scope opened when what it runs is over: a promise, a generator, or a plain value. */
function follow(state: ScopingState, result: unknown, context: Context, opened: Opened): unknown {
  if (isPromise(result)) {
    if (isPlainPromise(result)) {
      return result.then(
        (value) => {
          finish(state, opened);
          return value;
        },
        (error) => {
          finish(state, opened, error ?? true);
          throw error;
        },
      );
    }
    const { asResponse } = result as { asResponse?: () => Promise<unknown> };
    const isLazy = typeof asResponse === "function" && (opened.span ?? opened.work) !== undefined;
    if (isLazy) followLazily({ state, opened, result, asResponse, asked: false });
    else finish(state, opened);
    return result;
  }
  if (isGenerator(result)) return followGenerator({ state, context, opened, generator: result, over: false });
  finish(state, opened);
  return result;
}

/** A promise of an SDK's own class, which sends or reads only when it is asked for something. */
interface LazyResult {
  readonly state: ScopingState;
  readonly opened: Opened;
  readonly result: object;
  readonly asResponse: () => Promise<unknown>;
  asked: boolean;
}

/**
 * Leaves an SDK's promise as it is, and follows it from when the caller first asks it for something: before, that
 * would hide an unhandled rejection, and asking for its value would read the response.
 */
function followLazily(lazy: LazyResult): void {
  const { result } = lazy;
  for (const name of ["then", "catch", "finally", "asResponse", "withResponse"]) {
    const method = (result as Record<string, unknown>)[name];
    if (typeof method !== "function") continue;
    const value = (...args: unknown[]): unknown => {
      ask(lazy);
      return method.apply(result, args);
    };
    Object.defineProperty(result, name, { value, configurable: true, writable: true });
  }
  setImmediate(() => {
    if (lazy.asked) return;
    lazy.asked = true;
    finish(lazy.state, lazy.opened);
  });
}

function ask(lazy: LazyResult): void {
  if (lazy.asked) return;
  lazy.asked = true;
  const { state, opened, result, asResponse } = lazy;
  asResponse.call(result).then(
    () => finish(state, opened),
    (error: unknown) => finish(state, opened, error ?? true),
  );
}

type AnyGenerator = Generator | AsyncGenerator;

/** A generator that a scope returned. */
interface Generation {
  readonly state: ScopingState;
  readonly context: Context;
  readonly opened: Opened;
  readonly generator: AnyGenerator;
  over: boolean;
}

/** Runs each step of a generator in its scope: its body runs where it is read. */
function followGenerator(generation: Generation): AnyGenerator {
  const { generator } = generation;
  const onStep = (step: Step): Step => seeStep(generation, step);
  for (const name of ["next", "return", "throw"] as const) {
    const method = generator[name].bind(generator) as (...args: unknown[]) => unknown;
    const value = (...args: unknown[]): unknown => takeStep(generation, () => method(...args), onStep);
    Object.defineProperty(generator, name, { value, configurable: true, writable: true });
  }
  return generator;
}

function takeStep(generation: Generation, run: () => unknown, onStep: (step: Step) => Step): unknown {
  try {
    const step = within(generation.state, generation.context, run);
    if (!isPromise(step)) return onStep(step as Step);
    return (step as Promise<Step>).then(onStep, (error: unknown) => {
      endGeneration(generation, error ?? true);
      throw error;
    });
  } catch (error) {
    endGeneration(generation, error ?? true);
    throw error;
  }
}

interface Step {
  readonly done?: boolean | undefined;
}

function seeStep(generation: Generation, step: Step): Step {
  if (step.done) endGeneration(generation);
  return step;
}

function endGeneration(generation: Generation, error?: unknown): void {
  if (!generation.over) finish(generation.state, generation.opened, error);
  generation.over = true;
}

function isGenerator(value: unknown): value is AnyGenerator {
  const tag = Object.prototype.toString.call(value);
  return tag === "[object AsyncGenerator]" || tag === "[object Generator]";
}
