import { AsyncLocalStorage } from "node:async_hooks";
import type { SettleEvent } from "../../../core/call.ts";
import { object, parse } from "../../../core/json.ts";
import type { Passage } from "../../../limits/gate.ts";
import type { Refusal } from "../../../limits/refusal.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import { admit } from "../../call/checkpoint.ts";
import type { OpenCall } from "../../call/open-call.ts";
import type { RequestFacts } from "../../wire/formats/format.ts";
import type { SaidScope } from "../../wire/scope-headers.ts";
import { newSocketState, type SocketMessages, type SocketState } from "../../wire/sockets/socket-messages.ts";
import type { Target } from "../../wire/target.ts";

/** A connection as its client's library gives it. */
export interface Port {
  /** Gives the client a text message as if the server had sent it. */
  deliver(text: string): void;
  /** Sends a text message to the server, past the session. */
  send(text: string): void;
  /** Closes the connection with this code and reason. */
  close(code: number, reason: string): void;
}

/** One open connection, and the calls on it. */
export interface Session {
  readonly meter: CallMeter;
  readonly target: Target;
  readonly wire: SocketMessages<RequestFacts>;
  readonly state: SocketState;
  readonly headers: unknown;
  readonly said: SaidScope | undefined;
  /** Runs a function in the async context in which the connection was opened. */
  readonly inContext: <T>(run: () => T) => T;
  readonly isOn: () => boolean;
  port: Port | undefined;
  /** Calls that were asked for and have not begun to be answered; with the ids that the client gave their messages. */
  readonly asked: { readonly call: OpenCall; readonly id: unknown }[];
  /** Calls that are being answered, by the ids of their responses. */
  readonly running: Map<string | undefined, OpenCall>;
  /** The call that began to be answered last. */
  last: OpenCall | undefined;
  /** The response that is over, and whose usage may follow. */
  late: LateCall | undefined;
  /** What waits for the check of a request that was sent before it, in order. */
  readonly waiting: (() => void)[];
  checking: boolean;
}

/** A response without a report, and what ends the wait for one. */
export interface LateCall {
  readonly call: OpenCall;
  readonly event: SettleEvent;
  readonly timer: NodeJS.Timeout;
}

/** Undefined where the target's format is not spoken on WebSockets. */
export function openSession(
  meter: CallMeter,
  target: Target,
  address: string,
  headers: unknown,
  said: SaidScope | undefined,
  isOn: () => boolean,
): Session | undefined {
  const wire = target.format.socket;
  if (wire === undefined) return undefined;
  return {
    meter,
    target,
    wire,
    state: newSocketState(wire.modelOf(address)),
    headers,
    said,
    inContext: AsyncLocalStorage.snapshot() as Session["inContext"],
    isOn,
    port: undefined,
    asked: [],
    running: new Map(),
    last: undefined,
    late: undefined,
    waiting: [],
    checking: false,
  };
}

/** Asks the gate whether a connection may be opened. The refusal; undefined where it may. */
export function checkHandshake(session: Session): Refusal | undefined | Promise<Refusal | undefined> {
  const { meter, target } = session;
  const call = beginCall(session, { ...NO_REQUEST, model: session.state.model }, true);
  if (call === undefined) return meter.unchecked(target);
  const passage = admit(call, undefined, meter.faults);
  return passage instanceof Promise ? passage.then((late) => endHandshake(call, late)) : endHandshake(call, passage);
}

function endHandshake(call: OpenCall, passage: Passage | undefined): Refusal | undefined {
  if (passage?.pass === false) {
    call.settle({ type: "block" });
    return passage.refusal();
  }
  call.ticket = passage?.ticket;
  // It was no call: what it held is released.
  call.ours = Promise.resolve(false);
  call.settle({ type: "end" });
  return undefined;
}

export const NO_REQUEST: RequestFacts = {
  model: undefined,
  stream: true,
  inputBytes: undefined,
  attachments: undefined,
};

/** At most so many characters of a message are looked at before it is parsed. */
export const HEAD = 400;

/** The client learns of a refusal as of the vendor's own error, after the call that made it has returned. */
export function tell(session: Session, { body }: { readonly body: string }): void {
  const text = JSON.stringify(session.wire.refusal(object(parse(body)) ?? {}));
  setImmediate(() => session.port?.deliver(text));
}

/** Tells of a refused request, in the way that the protocol has for it. */
export function refuse(session: Session, refusal: { readonly body: string }): void {
  tell(session, refusal);
  if (session.wire.refusalCloses === true) closeByLimit(session, refusal);
}

/** Of the codes for applications: 402, as the status of a refusal. */
const CLOSED_BY_LIMIT = 4402;

/** Closes the connection with the reason of a refusal, after what has been told by then. */
export function closeByLimit(session: Session, { body }: { readonly body: string }): void {
  const close = (): void => session.port?.close(CLOSED_BY_LIMIT, reasonOf(body));
  setImmediate(() => session.meter.faults.guard("request", close));
}

/** At most 123 bytes, as the protocol allows. */
function reasonOf(body: string): string {
  const message = object(object(parse(body))?.error)?.message;
  const text = typeof message === "string" ? message : "stopped by spendfuse";
  return Buffer.from(text)
    .subarray(0, 120)
    .toString()
    .replace(/\uFFFD$/, "");
}

export function forget(session: Session, call: OpenCall): void {
  const at = session.asked.findIndex((one) => one.call === call);
  if (at >= 0) session.asked.splice(at, 1);
  for (const [id, running] of session.running) if (running === call) session.running.delete(id);
  if (session.last === call) session.last = undefined;
}

export function beginCall(session: Session, facts: RequestFacts, handshake?: true): OpenCall | undefined {
  const { meter, target, headers, said } = session;
  return meter.begin(target, {
    facts,
    asked: false,
    headers,
    said,
    signal: undefined,
    ...(handshake && { handshake }),
  });
}
