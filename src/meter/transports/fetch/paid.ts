import { endOf } from "../../call/abandoned-calls.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import type { PaidRequest } from "../../call/paid-request.ts";
import { needsAnswer } from "../../wire/charges/answer.ts";
import { type PricedAddress, type PricedRequest, priceOf } from "../../wire/charges/price-list.ts";
import { dropScopeHeaders } from "../../wire/scope-headers.ts";
import { isNodeBody, watchNodeBody } from "../bodies/node-body.ts";
import { type FetchInit, type FetchInput, headersOf, isRequest, methodOf, readCopy } from "./request.ts";
import { watchResponse } from "./response.ts";

/** Sends a request as it is given, whatever else it carries. */
export type Send = (input: FetchInput, init: FetchInit) => Promise<Response>;

/** Sends a request to a paid API that is no model, unless the guard refuses it, and counts it when it succeeds. */
export async function sendPaid(
  meter: CallMeter,
  at: PricedAddress,
  input: FetchInput,
  init: FetchInit,
  send: Send,
): Promise<Response> {
  const { faults, inFlight } = meter;
  const priced = at.needsBody ? await readPriced(meter, at, input, init) : priceOf(at, undefined);
  const paid = priced && begin(meter, at, priced, input, init);
  if (paid === undefined) return send(input, init);
  const asked = meter.admitPaid(paid);
  const passage = asked instanceof Promise ? await asked : asked;
  if (passage?.pass === false) {
    paid.drop();
    const { body, ...answer } = passage.refusal();
    return new Response(body, answer);
  }
  paid.ticket = passage?.ticket;
  const request = inFlight.begin(at, false);
  let response: Response;
  try {
    response = await inFlight.run(request, send, input, withoutOurs(paid, input, init));
  } catch (error) {
    paid.drop();
    throw error;
  } finally {
    inFlight.end(request);
  }
  faults.guard("body", () => observe(meter, paid, response));
  return response;
}

function begin(
  meter: CallMeter,
  at: PricedAddress,
  priced: PricedRequest,
  input: FetchInput,
  init: FetchInit,
): PaidRequest | undefined {
  return meter.beginPaid({
    at,
    priced,
    method: methodOf(input, init),
    headers: headersOf(input, init),
    signal: init?.signal ?? (isRequest(input) ? input.signal : undefined),
  });
}

function withoutOurs({ said }: PaidRequest, input: FetchInput, init: FetchInit): FetchInit {
  return said === undefined ? init : { ...init, headers: dropScopeHeaders(headersOf(input, init)) };
}

/** Reads the body where a row is of a tool. What cannot be read without consuming it has no such row's price. */
async function readPriced(
  { faults }: CallMeter,
  at: PricedAddress,
  input: FetchInput,
  init: FetchInit,
): Promise<PricedRequest | undefined> {
  try {
    return priceOf(at, await textOf(input, init));
  } catch (error) {
    faults.report("request", error);
    return undefined;
  }
}

async function textOf(input: FetchInput, init: FetchInit): Promise<string | undefined> {
  const body: unknown = init?.body ?? undefined;
  if (typeof body === "string") return body;
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return new TextDecoder().decode(body);
  if (body instanceof Blob) return body.text();
  const isRead = body === undefined && isRequest(input) && input.body !== null && !input.bodyUsed;
  return isRead ? readCopy(input) : undefined;
}

function observe(meter: CallMeter, paid: PaidRequest, response: Response): void {
  if (response.status < 200 || response.status > 299) {
    paid.drop();
    return;
  }
  const { body, headers, status } = response;
  if (!needsAnswer(paid.priced) || body === null) {
    paid.settle();
    return;
  }
  const call = meter.watchPaid(paid);
  try {
    call.respond(status, (headers.get("content-type") ?? "").includes("text/event-stream"), headers);
    if (isNodeBody(body)) watchNodeBody(body, call, meter.abandoned);
    else watchResponse(response, call, false, meter.abandoned);
  } catch (error) {
    call.settle(endOf(error, call));
    throw error;
  }
}
