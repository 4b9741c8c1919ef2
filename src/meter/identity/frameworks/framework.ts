import type { TagValues } from "../../../core/scope.ts";
import type { Surroundings } from "../../tracing/otel-global.ts";
import type { RequestFacts } from "../../wire/formats/format.ts";
import type { SaidScope } from "../../wire/scope-headers.ts";

/**
 * A place where the name of an agent can be read: a framework's own store, the tracing around it, the request itself.
 * To add one, write a file beside this one and give it a line in `registry.ts`. A reader only reads: it patches nothing
 * and imports nothing of the framework. What it throws is counted and swallowed.
 */
export interface Framework {
  /** The file's name. */
  readonly name: string;
  /** When two readers name the same field, the lower rank wins. */
  readonly rank: 1 | 2 | 3 | 4;
  /** The global slot without which {@link readAround} has nothing to read, and is not asked. */
  readonly slot?: PropertyKey;
  /** The global slot of its `AsyncLocalStorage`: {@link readAround} is called only where that holds a value. */
  readonly store?: symbol;
  /** {@link readAround} is called only where an OpenTelemetry span is active. */
  readonly inSpans?: true;
  /**
   * Who is at work where we are called: where a request leaves, or where a scope begins.
   * @param kept What its {@link store} holds.
   */
  readAround?(around: Surroundings, kept: unknown): Identity | undefined;
  /** Whom the request names. */
  readRequest?(request: ModelRequest): Identity | undefined;
  /** For a framework that tells who is at work when asked to, before its first agent runs. Returns what takes it back. */
  listen?(entrance: Entrance): () => void;
}

/** Who makes a call, as far as it is known. */
export interface Identity {
  /** Outermost first; the last one makes the call. */
  readonly agents?: readonly string[] | undefined;
  readonly team?: string | undefined;
  readonly project?: string | undefined;
  readonly run?: string | undefined;
  readonly conversation?: string | undefined;
  readonly user?: string | undefined;
  readonly tags?: TagValues | undefined;
}

/** A request to a model, as it is about to be sent. */
export interface ModelRequest {
  /** In any form: `Headers`, pairs, or an object. */
  readonly headers: unknown;
  /** What our own headers among them say; undefined when there are none. */
  readonly said: SaidScope | undefined;
  /** Absent while the body is not read yet. */
  readonly facts: RequestFacts | undefined;
}

/** A channel of `node:diagnostics_channel` as far as it is bound: our types need none of Node's. */
export interface Channel {
  bindStore(store: unknown, transform: (message: unknown) => unknown): void;
  unbindStore(store: unknown): unknown;
}

/** How a framework is entered that says when it begins. */
export interface Entrance {
  /** Runs `fn`, with the calls in it being made by `identity`. */
  enter<T>(identity: Identity, fn: () => T): T;
  /** Runs an internal step; what it throws is counted and swallowed. */
  guard(run: () => void): void;
  /** Makes what runs inside a channel's event belong to whom `identityOf` reads in its message. */
  bind(channel: Channel, identityOf: (message: unknown) => Identity | undefined): () => void;
}
