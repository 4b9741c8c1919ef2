import type { Faults } from "../../core/faults.ts";
import { withKey } from "../identity/api-key.ts";
import type { Identifier } from "../identity/identify.ts";
import { openCallSpan } from "../tracing/call-span.ts";
import type { Contexts } from "../tracing/context.ts";
import type { Tracing } from "../tracing/tracing.ts";
import type { RequestFacts } from "../wire/formats/format.ts";
import type { SaidScope } from "../wire/scope-headers.ts";
import { type FetchInit, type FetchInput, headersOf, isRequest, type Outgoing, type Target } from "../wire/target.ts";
import { type OnSettled, OpenCall } from "./open-call.ts";

export interface TrackerOptions {
  readonly contexts: Contexts;
  readonly identifier: Identifier;
  readonly tracing: Tracing;
  readonly faults: Faults;
  /** The name of the API key among a request's headers. */
  readonly keyOf: (headers: unknown) => string | undefined;
  readonly onSettled: OnSettled;
}

/** Makes a call of a request that is about to be sent: whose it is, what it says, and its span. `said`: by our headers. */
export type Track = (
  target: Target,
  outgoing: Outgoing,
  input: FetchInput,
  init: FetchInit,
  said: SaidScope | undefined,
) => OpenCall;

export function createTracker(options: TrackerOptions): Track {
  const { contexts, faults, identifier, keyOf, tracing } = options;

  function openSpan(call: OpenCall): void {
    call.span = faults.guard("span", () => openCallSpan(tracing, call));
  }

  /** Reads what a body says that comes later. */
  function readLater(
    call: OpenCall,
    body: Promise<RequestFacts | undefined>,
    doubtful: boolean,
    take: (facts: RequestFacts) => void,
  ): Promise<unknown> {
    const read = body.then(
      (facts) => {
        if (facts && (doubtful || !call.settled)) take(facts);
        return facts !== undefined || !doubtful;
      },
      (error: unknown) => {
        faults.report("request", error);
        return !doubtful;
      },
    );
    if (!doubtful) return read;
    call.ours = read;
    return read.then((ours) => {
      call.ours = ours;
      if (ours && !call.settled) openSpan(call);
    });
  }

  return (target, outgoing, input, init, said) => {
    const { facts } = outgoing;
    const known = facts instanceof Promise ? undefined : facts;
    const context = contexts.capture();
    const headers = headersOf(input, init);
    const key = keyOf(headers);
    const nodeOf = identifier.nodeFor(context, { headers, said });
    const call = new OpenCall({
      target,
      context,
      node: withKey(nodeOf(known), key),
      facts: known,
      hides: outgoing.asked,
      signal: init?.signal ?? (isRequest(input) ? input.signal : undefined),
      faults,
      onSettled: options.onSettled,
    });
    if (facts instanceof Promise) {
      const read = readLater(call, facts, target.host === undefined, (late) => {
        call.facts = late;
        call.node = faults.guard("identity", () => withKey(nodeOf(late), key)) ?? call.node;
      });
      if (outgoing.sends !== true) call.reads = read;
    }
    if (known?.retrieval === true) return call;
    if (call.ours === true) openSpan(call);
    call.agentSpan = context.span;
    context.span?.opened();
    return call;
  };
}
