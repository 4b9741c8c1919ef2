import type { CallState } from "../../../core/call.ts";
import type { Gate } from "../../../limits/gate.ts";
import { type Collector, createCollector, endOf } from "../../call/abandoned-calls.ts";
import { createBackground } from "../../call/background.ts";
import { createTracker, type TrackerOptions } from "../../call/begin-call.ts";
import { type CheckpointOptions, createCheckpoint } from "../../call/checkpoint.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { createKeyReader } from "../../identity/api-key.ts";
import { PREFIX } from "../../propagation/baggage.ts";
import type { Escort } from "../../propagation/propagation.ts";
import { withoutBaggage } from "../../tracing/otel-global.ts";
import { mayBeCap } from "../../wire/error-answer.ts";
import * as registry from "../../wire/formats/registry.ts";
import { createHostLookup, type Host } from "../../wire/hosts.ts";
import { dropScopeHeaders, readScopeHeaders } from "../../wire/scope-headers.ts";
import {
  createClassifier,
  type FetchInit,
  type FetchInput,
  headersOf,
  isForTestedSdk,
  readOutgoing,
  rereadable,
  type Target,
} from "../../wire/target.ts";
import { createSendings, type Sendings } from "../bypass/in-flight-requests.ts";
import { isNodeBody, watchNodeBody } from "./node-body.ts";
import { watchResponse } from "./response.ts";
import { isReadUnseen } from "./tapped-stream.ts";

type Fetch = typeof fetch;
type Settled = Extract<CallState, { phase: "settled" }>;

/** Marks a fetch of ours, also one of another copy of the package. */
export const HOOKED = Symbol.for("spendfuse.fetch");

export interface HookOptions extends CheckpointOptions, Omit<TrackerOptions, "keyOf" | "onSettled"> {
  /** Asked for at each call; the same object until the configuration changes. */
  readonly settings: () => HookSettings;
  /** What goes along with a request that is no model call. */
  readonly escort: (input: FetchInput, init: FetchInit) => Escort | undefined;
  /** What stands before each call; undefined when nothing does. */
  readonly gate: () => Gate | undefined;
  /** A model call was recognised. */
  readonly onBegin: () => void;
  readonly onSettled: (call: OpenCall, state: Settled) => void;
}

export interface HookSettings {
  readonly hosts: readonly Host[];
  /** Whether streams that lack usage are asked for it, where the host is known to take it. */
  readonly askUsage: boolean;
  /** Alias by the short hash of an API key. */
  readonly keyAliases: Readonly<Record<string, string>>;
}

export interface Hook {
  /** A fetch that meters what `inner` carries. A fetch that is metered already is returned as it is. */
  wrap(inner: Fetch, enabled?: () => boolean): Fetch;
  /** Settles every call that is still open, as canceled. */
  settleOpen(): void;
  readonly open: ReadonlySet<OpenCall>;
  readonly sendings: Sendings;
  /** Finds the row of a host; the same until the configuration changes. */
  lookup(): ReturnType<typeof createHostLookup>;
}

export function createHook(options: HookOptions): Hook {
  const { faults } = options;
  let made: { readonly lookup: ReturnType<typeof createHostLookup>; readonly settings: HookSettings } | undefined;
  let keyOf: ReturnType<typeof createKeyReader>;
  const settings = () => {
    const now = options.settings();
    if (made?.settings !== now) {
      made = { lookup: createHostLookup(now.hosts), settings: now };
      keyOf = createKeyReader(now.keyAliases);
    }
    return made;
  };
  const classify = createClassifier(Object.values(registry), () => settings().lookup);
  const open = new Set<OpenCall>();
  const sendings = createSendings();
  const background = createBackground();
  const checkpoint = createCheckpoint(options);

  function settled(call: OpenCall, state: Settled): void {
    open.delete(call);
    collector.forget(call);
    if (call.ours === true) record(call, state);
    else
      Promise.resolve(call.ours).then((ours) =>
        faults.guard("settle", () => (ours ? record(call, state) : drop(call))),
      );
  }

  function record(call: OpenCall, state: Settled): void {
    if (background.counts(call)) options.onSettled(call, state);
  }

  function drop(call: OpenCall): void {
    call.ticket?.release();
    call.agentSpan?.dropped();
  }

  const track = createTracker({ ...options, keyOf: (headers) => keyOf(headers), onSettled: settled });
  const collector: Collector = createCollector(open, (call, event) => call.settle(event), faults);

  function begin(target: Target, input: FetchInput, init: FetchInit): Begun | undefined {
    const mayAsk = settings().settings.askUsage && target.host?.asksUsage === true;
    const outgoing = readOutgoing(target, input, init, mayAsk);
    const known = outgoing.facts instanceof Promise ? undefined : outgoing.facts;
    // A path like ours on a host we do not know, with a body that is not ours: somebody else's API.
    if (known === undefined && !(outgoing.facts instanceof Promise) && target.host === undefined) return undefined;
    const headers = headersOf(input, init);
    const said = faults.guard("request", () => readScopeHeaders(headers));
    const kept = said && faults.guard("request", () => dropScopeHeaders(headers));
    const clean = (init: FetchInit): FetchInit => (kept ? { ...init, headers: kept } : init);
    const call = faults.guard("request", () => track(target, outgoing, input, init, said));
    if (call) {
      options.onBegin();
      open.add(call);
    }
    if (call) return { call, sent: { input: outgoing.input, init: clean(outgoing.init) } };
    if (outgoing.facts instanceof Promise) outgoing.facts.catch(() => {});
    // A body that we took from the caller has to be sent all the same; what we asked for has not.
    return { call, sent: { input, init: clean(outgoing.asked ? init : outgoing.init) } };
  }

  async function send(
    inner: Fetch,
    self: unknown,
    call: OpenCall,
    sent: Sent,
    tested: () => boolean,
  ): Promise<Response> {
    const gate = options.gate();
    if (gate !== undefined) {
      const passage = faults.guard("guard", () => checkpoint.admit(gate, call, sent.init?.body));
      const verdict = passage instanceof Promise ? await passage : passage;
      if (verdict?.pass === false) {
        call.settle({ type: "block" });
        return verdict.refusal();
      }
      call.ticket = verdict?.ticket;
    }
    let response: Response;
    try {
      response = await sendings.run(call.target, () =>
        withoutBaggage(PREFIX, () => inner.call(self as typeof globalThis, sent.input, sent.init)),
      );
    } catch (error) {
      call.settle(endOf(error, call));
      throw error;
    }
    if (call.ours === false) {
      call.settle({ type: "end" });
      return response;
    }
    if (gate !== undefined && mayBeCap(response)) response = await checkpoint.readCap(gate, call, response);
    const watched = faults.guard("body", () => {
      const type = response.headers.get("content-type") ?? "";
      // Some hosts send their event streams under another name; JSON they never are.
      const stream = type.includes("text/event-stream") || (call.facts.stream && !type.includes("json"));
      call.respond(response.status, stream, response.headers);
      if (call.over) return true;
      if (response.body === null) call.settle({ type: "end" });
      else if (isNodeBody(response.body)) watchNodeBody(response.body, call, collector);
      else watchResponse(response, call, call.stream && tested(), collector);
      return true;
    });
    if (watched === undefined) call.settle({ type: "collect", unseen: true });
    return response;
  }

  /** Sends what is no model call. */
  function pass(inner: Fetch, self: unknown, input: FetchInput, init: FetchInit): Promise<Response> {
    const escort = faults.guard("identity", () => options.escort(input, init));
    if (escort === undefined) return inner.call(self as never, input, init);
    return escort.run(() => inner.call(self as never, input, escort.init));
  }

  function wrap(inner: Fetch, enabled = () => true): Fetch {
    if (HOOKED in inner) return inner;
    const hooked = function fetch(this: unknown, input: FetchInput, given?: FetchInit): Promise<Response> {
      if (!enabled()) return inner.call(this as never, input, given);
      const init = given?.headers === undefined ? given : (faults.guard("request", () => rereadable(given)) ?? given);
      const target = faults.guard("request", () => classify(input, init));
      if (target === undefined) return pass(inner, this, input, init);
      if (sendings.isInside(target.path)) return inner.call(this as never, input, init);
      const begun = faults.guard("request", () => begin(target, input, init));
      if (begun === undefined) return sendings.run(target, () => pass(inner, this, input, init), false);
      const { call, sent } = begun;
      if (call === undefined) return inner.call(this as never, sent.input, sent.init);
      return send(inner, this, call, sent, () => isForTestedSdk(input, init));
    };
    Object.defineProperty(hooked, HOOKED, { value: inner });
    return hooked as Fetch;
  }

  return {
    wrap,
    open,
    sendings,
    lookup: () => settings().lookup,
    settleOpen() {
      for (const call of [...open]) {
        const body = collector.unseenTarget(call);
        call.settle({ type: "flush", unseen: body !== undefined && isReadUnseen(body) });
      }
    },
  };
}

interface Begun {
  /** Undefined when we failed. */
  readonly call: OpenCall | undefined;
  readonly sent: Sent;
}

interface Sent {
  readonly input: FetchInput;
  readonly init: FetchInit;
}
