import type { CallState } from "../../core/call.ts";
import type { Faults } from "../../core/faults.ts";
import type { Refusal } from "../../limits/refusal.ts";
import type { ToolPrice } from "../../pricing/tool-prices.ts";
import { createKeyReader } from "../identity/api-key.ts";
import type { Escort } from "../propagation/propagation.ts";
import { dropOpenCall } from "../tracing/agent-span.ts";
import { releaseCallSpan } from "../tracing/call-span.ts";
import { paidTarget } from "../wire/charges/paid-target.ts";
import { createPriceList, type PriceList } from "../wire/charges/price-list.ts";
import * as formats from "../wire/formats/registry.ts";
import { createHostLookup, type Host, type HostLookup } from "../wire/hosts.ts";
import { type Classifier, createClassifier, type Target, type TargetSettings } from "../wire/target.ts";
import { type AbandonedCalls, createAbandonedCalls } from "./abandoned-calls.ts";
import { createBackground } from "./background.ts";
import { type BeginOptions, beginCall, type LeavingRequest } from "./begin-call.ts";
import { createInFlightRequests, type InFlightRequests } from "./in-flight-requests.ts";
import type { OpenCall } from "./open-call.ts";
import type { ProgramStart, StartedProgram } from "./started-program.ts";

type Settled = Extract<CallState, { phase: "settled" }>;

/** The configuration of calls; the same object until the configuration changes. */
export interface CallSettings {
  readonly hosts: readonly Host[];
  /** Whether usage is requested for streams that lack it, where the host is known to support that. */
  readonly askUsage: boolean;
  /** Whether a tokenizer is to count the text of requests. */
  readonly samples: boolean;
  /** Transports that are not hooked, by their names. */
  readonly transportsOff: readonly string[];
  /** Host with port of the proxy of ours that this process was started behind, which meters what is sent to it. */
  readonly proxy?: string | undefined;
  /** Alias by the short hash of an API key. */
  readonly keyAliases: Readonly<Record<string, string>>;
  /** The names of the declared tags. */
  readonly tags: readonly string[];
  /** Prices of requests that are no model calls; the first that fits decides. */
  readonly toolPrices: readonly ToolPrice[];
}

export interface CallMeterOptions extends BeginOptions {
  readonly settings: () => CallSettings;
  readonly escort: (headers: unknown, address: () => string) => Escort | undefined;
  readonly startProgram: (start: ProgramStart) => StartedProgram | undefined;
  /** The scope for a process or thread that starts where we are called, as baggage; undefined where there is none. */
  readonly scopeForChildren: () => string | undefined;
}

/** The meter as a transport sees it: everything about calls that does not depend on what carries them. */
export interface CallMeter {
  readonly faults: Faults;
  readonly classifier: Classifier;
  /** Whether an address may be of a request that {@link classify} finds, which is asked only then: all that others cost. */
  maybe(address: string): boolean;
  /**
   * What a request is for: a model, or another API that has a price. Undefined for any other request. `method` in upper
   * case.
   */
  classify(method: string, address: string): Target | undefined;
  /** Whether requests that are no model calls have prices: else the path alone of an address rules most out. */
  hasPrices(): boolean;
  readonly inFlight: InFlightRequests;
  readonly abandoned: AbandonedCalls;
  /** Calls that have not settled. */
  readonly open: ReadonlySet<OpenCall>;
  /** Whether the configuration has switched a transport off. */
  isOff(transport: string): boolean;
  /** Whether a host, with its port, is the proxy of ours that meters what is sent to it. */
  isProxy(host: string): boolean;
  /** For an agent program that the caller is about to start; undefined where it is not looked after. */
  startProgram(start: ProgramStart): StartedProgram | undefined;
  /** The scope for a process or thread that starts where we are called, as baggage; undefined where there is none. */
  scopeForChildren(): string | undefined;
  /** Finds the row of a host; the same function until the configuration changes. */
  lookup(): HostLookup;
  /** Opens a call for a request about to leave. Undefined when that failed: the request is then sent unmetered. */
  begin(target: Target, request: LeavingRequest): OpenCall | undefined;
  /** The refusal of a request whose call could not be begun by a fault of ours; undefined where it may leave all the same. */
  unchecked(target: Target): Refusal | undefined;
  /** What is sent along with a request that is no model call, such as baggage; undefined for nearly all. */
  escort(headers: unknown, address: () => string): Escort | undefined;
  /** Settles every call that is still open, as canceled. */
  settleOpen(): void;
}

export function createCallMeter(options: CallMeterOptions): CallMeter {
  const { faults } = options;
  const settings = createSettingsReader(options.settings);
  const classifier = createClassifier(Object.values(formats), settings);
  const open = new Set<OpenCall>();
  const background = createBackground();
  const abandoned = createAbandonedCalls(open, faults);

  function settled(call: OpenCall, state: Settled): void {
    open.delete(call);
    if (call.tether !== undefined) abandoned.forget(call);
    // Nothing was sent, and nothing will be: it was no call.
    if (call.givenUp === "held" && call.status === undefined) drop(call);
    else if (call.ours === true) record(call, state);
    else
      Promise.resolve(call.ours).then((ours) =>
        faults.guard("settle", () => (ours ? record(call, state) : drop(call))),
      );
  }

  function record(call: OpenCall, state: Settled): void {
    if (call.paid !== undefined) call.paid.settle(call);
    else if (background.counts(call)) call.services.record(call, state);
  }

  return {
    faults,
    abandoned,
    open,
    classifier,
    maybe: (address) => classifier.maybe(address) || settings().charges?.maybe.test(address) === true,
    classify(method, address) {
      const current = settings();
      const { charges } = current;
      // Without prices of requests an address that comes here is one that may be a model's.
      const isModel = charges === undefined || classifier.maybe(address);
      const found = isModel ? classifier.find(method, address, current) : undefined;
      if (found?.host !== undefined || charges === undefined || !charges.maybe.test(address)) return found;
      const at = charges.find(method, address);
      const paid = at && paidTarget(at, method, current);
      return found === undefined || paid === undefined ? (found ?? paid) : { ...found, otherwise: paid };
    },
    hasPrices: () => settings().charges !== undefined,
    inFlight: createInFlightRequests(),
    escort: options.escort,
    isOff: (transport) => options.settings().transportsOff.includes(transport),
    isProxy: (host) => host === settings().proxy,
    startProgram: (start) => faults.guard("request", () => options.startProgram(start)),
    scopeForChildren: () => faults.guard("identity", options.scopeForChildren),
    lookup: () => settings().lookup,
    begin(target, request) {
      try {
        const call = beginCall(options, target, request, settled);
        open.add(call);
        return call;
      } catch (error) {
        faults.report("request", error);
        return undefined;
      }
    },
    unchecked: ({ format }) => faults.guard("guard", () => options.services().gate?.unchecked(format.refusal)),
    settleOpen() {
      for (const call of [...open]) {
        // A paid request without an answer may still fail, and then costs nothing.
        if (call.paid !== undefined && call.status === undefined) continue;
        if (call.catchUp !== undefined) faults.guard("body", call.catchUp);
        call.settle({ type: "flush", unseen: abandoned.isReadUnseen(call) });
      }
    },
  };
}

interface MeterSettings extends TargetSettings {
  readonly tags: readonly string[];
  readonly charges: PriceList | undefined;
}

/** Derived from the settings; rebuilt only when they change. */
function createSettingsReader(current: () => CallSettings): () => MeterSettings {
  let from: CallSettings | undefined;
  let made: MeterSettings | undefined;
  return () => {
    const now = current();
    if (made === undefined || from !== now) {
      const { hosts, askUsage, samples, proxy, keyAliases, tags, toolPrices } = now;
      const [lookup, keyOf, charges] = [
        createHostLookup(hosts),
        createKeyReader(keyAliases),
        createPriceList(toolPrices),
      ];
      made = { lookup, askUsage, samples, proxy, keyOf, tags, charges };
      from = now;
    }
    return made;
  };
}

/** It was no model call after all. */
function drop(call: OpenCall): void {
  call.ticket?.release();
  if (call.span !== undefined) releaseCallSpan(call.span, call);
  if (call.agentSpan !== undefined) dropOpenCall(call.agentSpan);
}
