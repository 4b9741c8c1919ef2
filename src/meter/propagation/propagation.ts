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
  /** From now on everything in this process is inside the scope that a baggage tells of. */
  adopt(baggage: string): void;
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

/** What scopes are carried with, which each step is given. */
interface PropagationState {
  readonly options: PropagationOptions;
  /** The hosts of one's own, from the settings as they were last seen. */
  hosts: { readonly from: BaggageConfig; readonly has: (host: string) => boolean } | undefined;
  accepting: boolean;
  /** Set while a request to a host of one's own is sent with the scope on it: it may be redirected to another host. */
  readonly escorted: AsyncLocalStorage<true>;
  /** By connection: the context in which its server was begun. */
  readonly around: WeakMap<object, Context | undefined>;
  /** Listens to {@link SERVED}. */
  readonly onRequest: (message: unknown) => void;
}

export function createPropagation(options: PropagationOptions): Propagation {
  const state: PropagationState = {
    options,
    hosts: undefined,
    accepting: false,
    escorted: new AsyncLocalStorage(),
    around: new WeakMap(),
    onRequest: (message) => options.faults.guard("identity", () => enterRequest(state, message as Served)),
  };
  return {
    inject: (carrier) => inject(options, carrier),
    extract: (carrier, fn) => extract(options, carrier, fn),
    adopt: (baggage) => options.faults.guard("identity", () => adopt(options, baggage)),
    escort: (headers, address) => escort(state, headers, address),
    mayCarry: (host) => mayCarry(state, host),
    accept: (on) => accept(state, on),
  };
}

function inject<C extends Carrier>({ faults, identifier }: PropagationOptions, carrier: C): C {
  faults.guard("identity", () => {
    const members = membersHere(identifier);
    if (members !== "") writeCarrier(carrier, members);
  });
  return carrier;
}

function extract<T>({ faults, scoping }: PropagationOptions, carrier: unknown, fn: () => T): T {
  const scopes = faults.guard("identity", () => scopesOf(carrier)) ?? [];
  return scopes.reduceRight((inner, fields) => () => scoping.scope(fields, inner), fn)();
}

function adopt({ contexts, identifier }: PropagationOptions, baggage: string): void {
  for (const fields of readMembers(baggage))
    contexts.setOutermost({ ...enterScope(identifier, fields, lookAround()), span: undefined });
}

function membersHere(identifier: Identifier): string {
  return writeMembers(currentNode(identifier));
}

function scopesOf(carrier: unknown): readonly ScopeFields[] {
  return readMembers(readCarrier(carrier) ?? "");
}

function escort(state: PropagationState, headers: unknown, address: () => string): Escort | undefined {
  const { options } = state;
  const ours = readScopeHeaders(headers, options.identifier.known.declared()) !== undefined;
  if (!ours && !hasBaggage(PREFIX) && options.settings()?.send === undefined) return undefined;
  const host = URL.parse(address())?.host ?? "";
  if (!options.isModelHost(host)) return isOwn(state, host) ? withScope(state, headers) : undefined;
  // Whatever is configured, the scope is never sent to a vendor.
  return { headers: ours ? dropScopeHeaders(headers) : undefined, run: (send) => withoutBaggage(PREFIX, send) };
}

/** The request with the scope on it. */
function withScope({ options, escorted }: PropagationState, own: unknown): Escort | undefined {
  const members = membersHere(options.identifier);
  if (members === "") return undefined;
  const headers = new Headers(own as HeadersInit | undefined);
  writeCarrier(headers, members);
  return { headers, run: (send) => escorted.run(true, send) };
}

function isOwn(state: PropagationState, host: string): boolean {
  const from = state.options.settings();
  if (from?.send === undefined) return false;
  if (state.hosts?.from !== from) state.hosts = { from, has: createHostTest(from.send) };
  return state.hosts.has(host);
}

function mayCarry(state: PropagationState, host: string): boolean {
  const { options, escorted } = state;
  if (options.isModelHost(host)) return false;
  return isOwn(state, host) || (escorted.getStore() === undefined && !options.isCall());
}

function accept(state: PropagationState, on: boolean): void {
  if (on === state.accepting) return;
  state.accepting = on;
  if (on) subscribe(SERVED, state.onRequest);
  else unsubscribe(SERVED, state.onRequest);
}

/**
 * Enters the scope that a request to a server brings. The channel reports a request synchronously, just before its
 * server handles it. A connection that stays open brings many requests, so each of them begins in the context of the
 * first.
 */
function enterRequest({ options, around }: PropagationState, { request, response }: Served): void {
  const { contexts, identifier } = options;
  const { storage } = contexts;
  if (!around.has(request.socket)) around.set(request.socket, storage.getStore());
  storage.enterWith(around.get(request.socket) as Context);
  for (const fields of scopesOf(request.headers)) {
    storage.enterWith({ ...enterScope(identifier, fields, lookAround()), span: storage.getStore()?.span });
  }
  const context = storage.getStore();
  // Later events come from the context in which the connection is read.
  if (context !== around.get(request.socket)) {
    for (const one of [request, response]) emitIn(contexts, one, context as Context);
  }
}

/** Runs the listeners of an emitter's later events in `context`. */
function emitIn(contexts: Contexts, emitter: Emitter, context: Context): void {
  const { emit } = emitter;
  emitter.emit = function (this: unknown, ...args) {
    return contexts.run(context, () => emit.apply(this, args));
  };
}
