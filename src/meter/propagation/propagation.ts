import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { ScopeFields } from "../../core/scope.ts";
import type { Contexts } from "../context.ts";
import type { Faults } from "../faults.ts";
import { createHostTest } from "../hosts.ts";
import type { Identifier } from "../identify.ts";
import { hasBaggage, withoutBaggage } from "../otel-global.ts";
import { type FetchInit, type FetchInput, headersOf, isRequest } from "../request.ts";
import type { Scoping } from "../scoping.ts";
import { PREFIX, readMembers, writeMembers } from "./baggage.ts";
import { type Carrier, readCarrier, writeCarrier } from "./carrier.ts";

/** What may travel between processes without being asked for at each place. */
export interface BaggageConfig {
  /** Hosts of one's own whose requests carry the scope: exact, `*.suffix`, or either with `:port`. */
  readonly send?: readonly string[];
  /** Whether requests to servers of this process bring their scope along. Default false. */
  readonly accept?: boolean;
}

/** How a request is sent that carries a scope, or that must not. */
export interface Escort {
  readonly init: FetchInit;
  run<T>(send: () => T): T;
}

/** Carries a scope from one process to another, as W3C baggage. */
export interface Propagation {
  /** Puts the scope that we are called in into a carrier, and returns it. */
  inject<C extends Carrier>(carrier: C): C;
  /** Runs `fn` inside the scope that a carrier brings. */
  extract<T>(carrier: unknown, fn: () => T): T;
  /** What goes along with a request that is no model call; undefined for nearly all. */
  escort(input: FetchInput, init: FetchInit): Escort | undefined;
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
}

const SERVED = "http.server.request.start";

export function createPropagation(options: PropagationOptions): Propagation {
  const { contexts, identifier, faults } = options;
  let hosts: { readonly from: BaggageConfig; readonly has: (host: string) => boolean } | undefined;
  let accepting = false;

  function membersHere(): string {
    return writeMembers(identifier.current());
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
  function withScope(input: FetchInput, init: FetchInit): Escort | undefined {
    const members = membersHere();
    if (members === "") return undefined;
    const headers = new Headers(headersOf(input, init) as HeadersInit | undefined);
    writeCarrier(headers, members);
    return { init: { ...init, headers }, run: (send) => send() };
  }

  /**
   * The channel tells of a request just before its server does, in the same breath. A connection that stays open brings
   * many, so that each of them has to begin anew.
   */
  function onRequest(message: unknown): void {
    faults.guard("identity", () => {
      const { storage } = contexts;
      storage.enterWith(undefined as never);
      const { request } = message as { readonly request: { readonly headers: object } };
      for (const fields of scopesOf(request.headers)) {
        storage.enterWith({ ...identifier.enter(fields), span: undefined });
      }
    });
  }

  return {
    inject,
    extract(carrier, fn) {
      const scopes = faults.guard("identity", () => scopesOf(carrier)) ?? [];
      const { scope } = options.scoping;
      return scopes.reduceRight((inner, fields) => () => scope(fields, inner), fn)();
    },
    escort(input, init) {
      const carried = hasBaggage(PREFIX);
      if (!carried && options.settings()?.send === undefined) return undefined;
      const host = URL.parse(isRequest(input) ? input.url : String(input))?.host ?? "";
      // Whatever is asked for, no vendor is told who asks.
      if (options.isModelHost(host)) return carried ? { init, run: (send) => withoutBaggage(PREFIX, send) } : undefined;
      return isOwn(host) ? withScope(input, init) : undefined;
    },
    accept(on) {
      if (on === accepting) return;
      accepting = on;
      if (on) subscribe(SERVED, onRequest);
      else unsubscribe(SERVED, onRequest);
    },
  };
}
