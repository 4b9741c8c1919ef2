import { setImmediate } from "node:timers";
import type { Faults } from "../../core/faults.ts";
import { isPlainPromise, isPromise } from "../../core/promise.ts";
import type { ScopeFields } from "../../core/scope.ts";
import { type AgentSpan, openAgentSpan } from "../tracing/agent-span.ts";
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

export function createScoping(contexts: Contexts, tracing: Tracing, faults: Faults, identifier: Identifier): Scoping {
  function enter(fields: ScopeFields, outer: AgentSpan | undefined, around: Surroundings): Context {
    const { node, given, heard } = enterScope(identifier, fields, around);
    const named = fields.agent !== undefined && fields.agent !== "";
    let span = outer;
    try {
      if (named) span = openAgentSpan(tracing, node.scope.agent, outer, around);
    } catch (error) {
      faults.report("span", error);
    }
    return { node, given, heard, span };
  }

  function within<T>(context: Context, fn: () => T): T {
    const span = context.span?.span;
    return span === undefined ? contexts.run(context, fn) : contexts.run(context, () => tracing.within(span, fn));
  }

  return {
    scope(fields, fn) {
      const outer = contexts.current()?.span;
      const around = lookAround();
      let context: Context;
      try {
        context = enter(fields, outer, around);
      } catch (error) {
        faults.report("request", error);
        return fn();
      }
      const span = context.span === outer ? undefined : context.span;
      let result: ReturnType<typeof fn>;
      try {
        // Without a context manager no other code can see the span.
        result = around.context === undefined ? contexts.run(context, fn) : within(context, fn);
      } catch (error) {
        finish(span, error ?? true);
        throw error;
      }
      return follow(result, span, <R>(step: () => R) => within(context, step)) as typeof result;
    },
    bind(fn) {
      const context = contexts.capture();
      return function (this: unknown, ...args) {
        return within(context, () => fn.apply(this, args));
      };
    },
  };

  function finish(span: AgentSpan | undefined, error?: unknown): void {
    try {
      span?.finish(error);
    } catch (fault) {
      faults.report("span", fault);
    }
  }

  /** Ends the agent's span when what it runs is over: a promise, a generator, or a plain value. */
  function follow(result: unknown, span: AgentSpan | undefined, run: <R>(step: () => R) => R): unknown {
    if (isPromise(result)) {
      if (isPlainPromise(result)) {
        return result.then(
          (value) => {
            finish(span);
            return value;
          },
          (error) => {
            finish(span, error ?? true);
            throw error;
          },
        );
      }
      const { asResponse } = result as { asResponse?: () => Promise<unknown> };
      if (span && typeof asResponse === "function") followLazily(result, asResponse.bind(result), span);
      else finish(span);
      return result;
    }
    if (isGenerator(result)) return followGenerator(result, span, run);
    finish(span);
    return result;
  }

  /**
   * An SDK's own promise stays what it is. It is followed from when the caller first asks it for something: before, that
   * would hide an unhandled rejection; and asking for its value would read the response.
   */
  function followLazily(result: object, asResponse: () => Promise<unknown>, span: AgentSpan): void {
    let asked = false;
    const ask = (): void => {
      if (asked) return;
      asked = true;
      asResponse().then(
        () => finish(span),
        (error: unknown) => finish(span, error ?? true),
      );
    };
    for (const name of ["then", "catch", "finally", "asResponse", "withResponse"]) {
      const method = (result as Record<string, unknown>)[name];
      if (typeof method !== "function") continue;
      const value = (...args: unknown[]): unknown => {
        ask();
        return method.apply(result, args);
      };
      Object.defineProperty(result, name, { value, configurable: true, writable: true });
    }
    setImmediate(() => {
      if (asked) return;
      asked = true;
      finish(span);
    });
  }

  /** A generator's body runs where it is read; each step of it is taken back into its scope. */
  function followGenerator(
    generator: AnyGenerator,
    span: AgentSpan | undefined,
    run: <R>(step: () => R) => R,
  ): unknown {
    let over = false;
    const end = (error?: unknown): void => {
      if (!over) finish(span, error);
      over = true;
    };
    const look = (step: { done?: boolean | undefined }): unknown => {
      if (step.done) end();
      return step;
    };
    for (const name of ["next", "return", "throw"] as const) {
      const method = generator[name].bind(generator) as (...args: unknown[]) => unknown;
      const value = (...args: unknown[]): unknown => {
        try {
          const step = run(() => method(...args));
          if (!isPromise(step)) return look(step as { done?: boolean });
          return (step as Promise<{ done?: boolean }>).then(look, (error: unknown) => {
            end(error ?? true);
            throw error;
          });
        } catch (error) {
          end(error ?? true);
          throw error;
        }
      };
      Object.defineProperty(generator, name, { value, configurable: true, writable: true });
    }
    return generator;
  }
}

type AnyGenerator = Generator | AsyncGenerator;

function isGenerator(value: unknown): value is AnyGenerator {
  const tag = Object.prototype.toString.call(value);
  return tag === "[object AsyncGenerator]" || tag === "[object Generator]";
}
