import type { CallMeter } from "../../call/call-meter.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { dropScopeHeaders, readScopeHeaders, type SaidScope } from "../../wire/scope-headers.ts";
import type { Target } from "../../wire/target.ts";
import { type FetchInit, type FetchInput, headersOf, isRequest, type Outgoing, readOutgoing } from "./request.ts";

/** A request as it is sent, and its call; undefined when that could not be begun. */
export interface Begun {
  readonly call: OpenCall | undefined;
  readonly input: FetchInput;
  readonly init: FetchInit;
  readonly ask: Outgoing["ask"];
  readonly passing: Outgoing["passing"];
  readonly text: Outgoing["text"];
}

/** Begins the call of a request. Undefined for an unrelated API: a matching path on an unknown host, with a body that does not match. */
export function beginRequest(meter: CallMeter, target: Target, input: FetchInput, init: FetchInit): Begun | undefined {
  const outgoing = readOutgoing(target, input, init);
  const { facts, asked, sends, ask, passing, text } = outgoing;
  if (facts === undefined && target.host === undefined) return undefined;
  const headers = headersOf(input, init);
  const said = readScopeOf(meter, headers, target.tags);
  const call = meter.begin(target, {
    facts,
    asked,
    headers,
    said,
    signal: init?.signal ?? (isRequest(input) ? input.signal : undefined),
    ...(sends && { sends }),
  });
  if (call === undefined && facts instanceof Promise) facts.catch(() => {});
  // The caller's body is sent even without a call, but without our request for usage.
  const dropped = call === undefined && asked;
  if (call === undefined && passing !== undefined) passing.mayAsk = false;
  const sent = dropped ? init : outgoing.init;
  return {
    call,
    input: dropped ? input : outgoing.input,
    init: said === undefined ? sent : withoutOurs(meter, sent, headers),
    ask,
    passing,
    text,
  };
}

function readScopeOf({ faults }: CallMeter, headers: unknown, tags: readonly string[]): SaidScope | undefined {
  try {
    return readScopeHeaders(headers, tags);
  } catch (error) {
    faults.report("request", error);
    return undefined;
  }
}

function withoutOurs({ faults }: CallMeter, init: FetchInit, headers: unknown): FetchInit {
  try {
    return { ...init, headers: dropScopeHeaders(headers) };
  } catch (error) {
    faults.report("request", error);
    return init;
  }
}
