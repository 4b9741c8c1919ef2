import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { BaggageConfig } from "../../core/config-types.ts";
import type { Faults } from "../../core/faults.ts";
import type { ScopeFields } from "../../core/scope.ts";
import { currentNode, enterScope, type Identifier } from "../identity/identify.ts";
import type { Scoping } from "../identity/scoping.ts";
import type { Context, Contexts } from "../tracing/context.ts";
import { hasBaggage, lookAround, withoutBaggage } from "../tracing/otel-global.ts";
import { createHostTest } from "../wire/hosts.ts";
import { dropScopeHeaders, readScopeHeaders } from "../wire/scope-headers.ts";
import { PREFIX, readMembers, writeMembers } from "./baggage.ts";
import { type Carrier, readCarrier, writeCarrier } from "./carrier.ts";

/** How a request is sent that carries a scope, or that must not. */
export interface Escort {
  /** The headers to send; undefined when they stay as they are. */
  readonly headers: HeadersInit | undefined;
  run<T>(send: () => T): T;
}

/** Carries a scope from one process to another, as W3C baggage. */
export interface Propagation {
  /** Puts the scope that we are called in into a carrier, and returns it. */
  inject<C extends Carrier>(carrier: C): C;
  /** Runs `fn` inside the scope that a carrier brings. */
  extract<T>(carrier: unknown, fn: () => T): T;
  /** What goes along with a request that is no model call; undefined for nearly all. `headers` in any form. */
  escort(headers: unknown, address: () => string): Escort | undefined;
  /** Whether a request to this host, made where we are called, may carry what is ours. */
  mayCarry(host: string): boolean;
  /** From now on, or no more, requests to servers of this process bring their scope along. */
  accept(on: boolean): void;
}

export interface PropagationOptions {
  readonly contexts: Contexts;
  readonly identifier: Identifier;
  readonly scoping: Scoping;
  readonly faults: Faults;
  /** Asked for at each request; the same object until the configuration changes. */
  readonly settings: () => BaggageConfig | undefined;
  readonly isModelHost: (host: string) => boolean;
  /** Whether we are called by what sends a call that is metered. */
  readonly isCall: () => boolean;
}

interface Emitter {
  emit: (...args: unknown[]) => boolean;
}

/** What the channel tells of a request to a server. */
interface Served {
  readonly request: Emitter & { readonly headers: object; readonly socket: object };
  readonly response: Emitter;
}

const SERVED = "http.server.request.start";

export function createPropagation(options: PropagationOptions): Propagation {
  const { contexts, identifier, faults } = options;
  let hosts: { readonly from: BaggageConfig; readonly has: (host: string) => boolean } | undefined;
  let accepting = false;
  /** A request to a host of one's own is under way, with the scope on it; it may be redirected to another. */
  const escorted = new AsyncLocalStorage<true>();
  /** By connection: the context in which its server was begun. */
  const around = new WeakMap<object, Context | undefined>();

  function membersHere(): string {
    return writeMembers(currentNode(identifier));
  }

  function inject<C extends Carrier>(carrier: C): C {
    faults.guard("identity", () => {
      const members = membersHere();
      if (members !== "") writeCarrier(carrier, members);
    });
    return carrier;
  }

  function scopesOf(carrier: unknown): readonly ScopeFields[] {
    return readMembers(readCarrier(carrier) ?? "");
  }

  function isOwn(host: string): boolean {
    const from = options.settings();
    if (from?.send === undefined) return false;
    if (hosts?.from !== from) hosts = { from, has: createHostTest(from.send) };
    return hosts.has(host);
  }

  /** The request with the scope on it. */
  function withScope(own: unknown): Escort | undefined {
    const members = membersHere();
    if (members === "") return undefined;
    const headers = new Headers(own as HeadersInit | undefined);
    writeCarrier(headers, members);
    return { headers, run: (send) => escorted.run(true, send) };
  }

  /**
   * The channel tells of a request just before its server does, in the same breath. A connection that stays open brings
   * many, so that each of them has to begin where the first one did.
   */
  function onRequest(message: unknown): void {
    faults.guard("identity", () => {
      const { storage } = contexts;
      const { request, response } = message as Served;
      if (!around.has(request.socket)) around.set(request.socket, storage.getStore());
      storage.enterWith(around.get(request.socket) as Context);
      for (const fields of scopesOf(request.headers)) {
        storage.enterWith({ ...enterScope(identifier, fields, lookAround()), span: storage.getStore()?.span });
      }
      const context = storage.getStore();
      // Later events come from the context in which the connection is read.
      if (context !== around.get(request.socket))
        for (const one of [request, response]) emitIn(one, context as Context);
    });
  }

  function emitIn(emitter: Emitter, context: Context): void {
    const { emit } = emitter;
    emitter.emit = function (this: unknown, ...args) {
      return contexts.run(context, () => emit.apply(this, args));
    };
  }

  return {
    inject,
    extract(carrier, fn) {
      const scopes = faults.guard("identity", () => scopesOf(carrier)) ?? [];
      const { scope } = options.scoping;
      return scopes.reduceRight((inner, fields) => () => scope(fields, inner), fn)();
    },
    escort(headers, address) {
      const ours = readScopeHeaders(headers) !== undefined;
      if (!ours && !hasBaggage(PREFIX) && options.settings()?.send === undefined) return undefined;
      const host = URL.parse(address())?.host ?? "";
      if (!options.isModelHost(host)) return isOwn(host) ? withScope(headers) : undefined;
      // Whatever is configured, the scope is never sent to a vendor.
      return { headers: ours ? dropScopeHeaders(headers) : undefined, run: (send) => withoutBaggage(PREFIX, send) };
    },
    mayCarry: (host) =>
      !options.isModelHost(host) && (isOwn(host) || (escorted.getStore() === undefined && !options.isCall())),
    accept(on) {
      if (on === accepting) return;
      accepting = on;
      if (on) subscribe(SERVED, onRequest);
      else unsubscribe(SERVED, onRequest);
    },
  };
}
