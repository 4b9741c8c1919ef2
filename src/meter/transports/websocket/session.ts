import { AsyncLocalStorage } from "node:async_hooks";
import type { SettleEvent } from "../../../core/call.ts";
import { type Json, object, parse } from "../../../core/json.ts";
import { NO_USAGE } from "../../../core/usage.ts";
import type { Passage } from "../../../limits/gate.ts";
import type { Refusal } from "../../../limits/refusal.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import { admit } from "../../call/checkpoint.ts";
import type { OpenCall } from "../../call/open-call.ts";
import type { RequestFacts } from "../../wire/formats/format.ts";
import type { SaidScope } from "../../wire/scope-headers.ts";
import { newSocketState, type Received, type SocketMessages, type SocketState } from "../../wire/socket-messages.ts";
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
  readonly wire: SocketMessages;
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
  /** What waits for the check of a request that was sent before it, in order. */
  readonly waiting: (() => void)[];
  checking: boolean;
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

const NO_REQUEST: RequestFacts = { model: undefined, stream: true, inputBytes: undefined, attachments: undefined };

/** At most so many characters of a message are looked at before it is parsed. */
const HEAD = 400;

/**
 * A message is about to be sent. `pass` sends it; it is called at once unless the message has to wait for a check, and never
 * where the message is refused. `refused` is called instead then.
 */
export function sendMessage(session: Session, text: string | undefined, pass: () => void, refused: () => void): void {
  if (session.checking) {
    session.waiting.push(() => sendMessage(session, text, pass, refused));
    return;
  }
  const { meter } = session;
  let call: OpenCall | undefined;
  let passage: Passage | undefined | Promise<Passage | undefined>;
  try {
    const asked = text === undefined || !session.isOn() ? undefined : readSent(session, text);
    if (asked !== undefined) {
      call = beginCall(session, asked.facts);
      if (call === undefined) {
        const refusal = meter.unchecked(session.target);
        if (refusal !== undefined) {
          refused();
          tell(session, refusal);
          return;
        }
      } else {
        session.asked.push({ call, id: asked.id });
        passage = admit(call, text, meter.faults);
      }
    }
  } catch (error) {
    meter.faults.report("request", error);
  }
  if (call === undefined) {
    pass();
    return;
  }
  if (!(passage instanceof Promise)) {
    leave(session, call, passage, pass, refused);
    return;
  }
  const asking = call;
  session.checking = true;
  passage.then((late) => {
    session.checking = false;
    leave(session, asking, late, pass, refused);
    while (!session.checking && session.waiting.length > 0) session.waiting.shift()?.();
  });
}

function leave(
  session: Session,
  call: OpenCall,
  passage: Passage | undefined,
  pass: () => void,
  refused: () => void,
): void {
  if (passage?.pass === false) {
    forget(session, call);
    call.settle({ type: "block" });
    refused();
    tell(session, passage.refusal());
    return;
  }
  call.ticket = passage?.ticket;
  try {
    pass();
  } catch (error) {
    forget(session, call);
    call.settle({ type: "error" });
    throw error;
  }
}

/** The client learns of a refusal as of the vendor's own error, after the call that made it has returned. */
function tell(session: Session, { body }: { readonly body: string }): void {
  const text = JSON.stringify(session.wire.refusal(object(parse(body)) ?? {}));
  setImmediate(() => session.port?.deliver(text));
}

function readSent(session: Session, text: string): { readonly facts: RequestFacts; readonly id: unknown } | undefined {
  const { wire, state } = session;
  if (wire.isQuiet?.(text.slice(0, HEAD), text.length, state)) return undefined;
  const message = object(parse(text));
  const facts = message && wire.sent(message, state);
  return facts && { facts, id: message.event_id };
}

/** A text message has arrived. Never throws. */
export function receiveMessage(session: Session, text: string): void {
  try {
    if (!session.isOn()) return;
    const head = text.length > HEAD ? text.slice(0, HEAD) : text;
    const part = session.wire.audio?.(head, text.length);
    if (part !== undefined) {
      const call = callOf(session, part.id);
      if (call === undefined) return;
      call.reading.recognized = true;
      call.reading.audio += part.tokens;
      return;
    }
    const message = object(parse(text));
    const received = message && session.wire.received(message, session.state);
    if (message !== undefined && received !== undefined) take(session, message, received);
  } catch (error) {
    session.meter.faults.report("body", error);
  }
}

function callOf(session: Session, id: string | undefined): OpenCall | undefined {
  return id === undefined ? session.last : session.running.get(id);
}

function take(session: Session, message: Json, received: Received): void {
  switch (received.kind) {
    case "start":
      start(session, received.id)?.message(message);
      return;
    case "part":
      (callOf(session, received.id) ?? nextAsked(session, received.id))?.message(message);
      return;
    case "end":
      end(session, message, received);
      return;
    case "error":
      fail(session, message, received.of);
      return;
    case "side":
      aside(session, message, received.facts);
  }
}

/** The first message of a response: of the request that waits longest, or of a response that the server began. */
function start(session: Session, id: string | undefined): OpenCall | undefined {
  const { running } = session;
  const known = running.get(id);
  if (known !== undefined && !known.settled) return known;
  return nextAsked(session, id) ?? startUnasked(session, id);
}

/** Takes the request that waits longest for its answer as the one that is answered. */
function nextAsked(session: Session, id: string | undefined): OpenCall | undefined {
  const call = session.asked.shift()?.call;
  if (call !== undefined) run(session, id, call);
  return call;
}

function run(session: Session, id: string | undefined, call: OpenCall): void {
  respond(session, call);
  call.cutMessages = (event) => stop(session, id, { body: event });
  session.running.set(id, call);
  session.last = call;
}

function respond(session: Session, call: OpenCall): void {
  call.respond(200, false, NO_HEADERS);
  call.stream = true;
  call.reading.model = call.facts.model ?? session.state.model;
}

const NO_HEADERS = new Headers();

/** A response that the server began by itself, as after speech. One that passes a limit is stopped. */
function startUnasked(session: Session, id: string | undefined): OpenCall | undefined {
  const { meter, state } = session;
  const facts = { ...NO_REQUEST, model: state.model, maxOutput: state.maxOutput, tools: state.tools };
  const call = session.inContext(() => beginCall(session, facts));
  if (call === undefined) return undefined;
  run(session, id, call);
  const passage = admit(call, undefined, meter.faults);
  if (passage instanceof Promise) passage.then((late) => decide(session, id, call, late));
  else decide(session, id, call, passage);
  return call;
}

function decide(session: Session, id: string | undefined, call: OpenCall, passage: Passage | undefined): void {
  if (passage?.pass !== false) {
    if (call.settled) passage?.ticket?.release();
    else call.ticket = passage?.ticket;
    return;
  }
  stop(session, id, passage.refusal());
}

/**
 * Stops a response by the protocol's message, or by closing the connection where it has none. `refusal.body`: why, as the
 * vendor writes errors.
 */
function stop(session: Session, id: string | undefined, refusal: { readonly body: string }): void {
  tell(session, refusal);
  const message = session.wire.stop?.(id);
  setImmediate(() =>
    session.meter.faults.guard("request", () => {
      if (message !== undefined) session.port?.send(JSON.stringify(message));
      else session.port?.close(CLOSED_BY_LIMIT, reasonOf(refusal.body));
    }),
  );
}

/** Of the codes for applications: 402, as the status of a refusal. */
const CLOSED_BY_LIMIT = 4402;

/** At most 123 bytes, as the protocol allows. */
function reasonOf(body: string): string {
  const message = object(object(parse(body))?.error)?.message;
  const text = typeof message === "string" ? message : "stopped by spendfuse";
  return Buffer.from(text)
    .subarray(0, 120)
    .toString()
    .replace(/\uFFFD$/, "");
}

function end(session: Session, message: Json, { id, canceled, reports }: Extract<Received, { kind: "end" }>): void {
  const call = callOf(session, id) ?? start(session, id);
  if (call === undefined) return;
  const { reading, facts } = call;
  if (facts.prepares === true && !reports) {
    reading.usage = NO_USAGE;
    reading.cached = true;
  }
  call.message(message);
  if (!call.settled) settle(session, call, { type: canceled ? "cancel" : reading.finished ? "terminal" : "end" });
  session.running.delete(id);
  if (session.last === call) session.last = undefined;
  remember(session, call);
}

/** The next response has this one and its input as its own input. */
function remember({ state }: Session, { reading }: OpenCall): void {
  const { usage } = reading;
  if (usage === undefined || usage.input === 0) return;
  state.knownTokens = usage.input + usage.output;
  state.addedBytes = 0;
  state.addedAudio = 0;
}

/** Settles a call, with an estimate of its input where the session alone tells what that was. */
function settle({ state, target }: Session, call: OpenCall, event: SettleEvent): void {
  const { reading, facts } = call;
  if (!reading.inputReported && facts.inputBytes === undefined && call.status !== undefined) {
    const { inputBytes } = target.format.rates(facts.model ?? "");
    const input = state.knownTokens + state.addedBytes / inputBytes + state.addedAudio;
    reading.usage = { ...NO_USAGE, input: Math.ceil(input), inputAudio: Math.ceil(state.addedAudio) };
    reading.inputReported = true;
    reading.outputReported = false;
    reading.recognized = true;
  }
  call.settle(event);
}

/** An error names the message that it is of, or else is of the request that waits, or of what runs. */
function fail(session: Session, message: Json, of: string | undefined): void {
  const { asked } = session;
  const at = of === undefined ? 0 : asked.findIndex(({ id }) => id === of);
  const call = asked[at]?.call ?? (of === undefined && !session.wire.stop ? session.last : undefined);
  if (call === undefined) return;
  forget(session, call);
  if (call.status === undefined) call.respond(statusOf(message), false, NO_HEADERS);
  call.settle({ type: "refused" });
}

function statusOf(message: Json): number {
  const { status } = message;
  return typeof status === "number" && status >= 400 && status < 600 ? status : 400;
}

/** What is charged besides responses is a call of its own. */
function aside(session: Session, message: Json, facts: RequestFacts): void {
  const call = session.inContext(() => beginCall(session, facts));
  if (call === undefined) return;
  respond(session, call);
  call.message(message);
  call.settle({ type: "end" });
}

function forget(session: Session, call: OpenCall): void {
  const at = session.asked.findIndex((one) => one.call === call);
  if (at >= 0) session.asked.splice(at, 1);
  for (const [id, running] of session.running) if (running === call) session.running.delete(id);
  if (session.last === call) session.last = undefined;
}

/** The connection has closed: what was not answered to its end was broken off. `own`: by the client. */
export function closeSession(session: Session, own: boolean): void {
  const { faults } = session.meter;
  const event: SettleEvent = { type: own ? "cancel" : "error" };
  for (const call of [...session.running.values(), ...session.asked.map((one) => one.call)]) {
    faults.guard("body", () => {
      if (call.settled) return;
      // What was sent and not answered may have cost its input.
      if (call.status === undefined) respond(session, call);
      settle(session, call, call.reading.finished ? { type: "end" } : event);
    });
  }
  session.running.clear();
  session.asked.length = 0;
  session.waiting.length = 0;
  session.last = undefined;
}

function beginCall(session: Session, facts: RequestFacts, handshake?: true): OpenCall | undefined {
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
