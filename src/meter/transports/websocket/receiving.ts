import type { SettleEvent } from "../../../core/call.ts";
import { type Json, object, parse } from "../../../core/json.ts";
import { NO_USAGE } from "../../../core/usage.ts";
import type { Passage } from "../../../limits/gate.ts";
import { admit } from "../../call/checkpoint.ts";
import type { OpenCall } from "../../call/open-call.ts";
import type { Received } from "../../wire/sockets/socket-messages.ts";
import { beginCall, closeByLimit, forget, HEAD, NO_REQUEST, type Session, tell } from "./session.ts";

/** A text message has arrived. Never throws. */
export function receiveMessage(session: Session, text: string): void {
  try {
    if (!session.isOn()) return;
    const head = text.length > HEAD ? text.slice(0, HEAD) : text;
    const part = session.wire.audio?.(head, text.length, session.state);
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

/** Each message is one frame of its call. */
function readMessage({ meter, target }: Session, call: OpenCall | undefined, message: Json): void {
  if (call === undefined || call.settled) return;
  const { reading } = call;
  meter.faults.guard("parser", () => target.format.readFrame(message, "", reading));
  if (reading.failed) call.settle({ type: "refused" });
  else if (reading.terminal) call.settle({ type: "terminal" });
}

function callOf(session: Session, id: string | undefined): OpenCall | undefined {
  return id === undefined ? session.last : session.running.get(id);
}

function take(session: Session, message: Json, received: Received): void {
  switch (received.kind) {
    case "start":
      readMessage(session, start(session, received.id), message);
      return;
    case "part":
      readMessage(session, callOf(session, received.id) ?? nextAsked(session, received.id), message);
      return;
    case "end":
      end(session, message, received);
      return;
    case "error":
      fail(session, message, received.of);
      return;
    case "side":
      aside(session, message, received.model);
      return;
    case "late":
      endLate(session, message);
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
  endLate(session);
  respond(session, call);
  call.completeReading = () => estimateInput(session, call);
  // It has no bytes to cut.
  call.cut = ({ event }) => stop(session, id, { body: new TextDecoder().decode(event) });
  session.running.set(id, call);
  session.last = call;
}

function respond(session: Session, call: OpenCall): void {
  call.respond(200, false, NO_HEADERS);
  call.stream = true;
  call.reading.model = call.facts.model ?? session.state.model;
}

/** Not `Headers`, which loads all of Node's fetch. */
const NO_HEADERS = { get: () => undefined };

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
  if (message === undefined) closeByLimit(session, refusal);
  else {
    const sendStop = (): void => session.port?.send(JSON.stringify(message));
    setImmediate(() => session.meter.faults.guard("request", sendStop));
  }
}

function end(session: Session, message: Json, { id, canceled, reports }: Extract<Received, { kind: "end" }>): void {
  const call = callOf(session, id) ?? start(session, id);
  if (call === undefined) return;
  const { reading, facts } = call;
  if (facts.prepares === true && !reports) {
    reading.usage = NO_USAGE;
    reading.cached = true;
  }
  readMessage(session, call, message);
  session.running.delete(id);
  if (session.last === call) session.last = undefined;
  const event: SettleEvent = { type: canceled ? "cancel" : reading.finished ? "terminal" : "end" };
  if (call.settled) remember(session, call);
  else if (session.wire.reportsLate === true && !reading.outputReported) awaitReport(session, call, event);
  else settle(session, call, event);
}

/** For so many milliseconds the usage of a response may follow its end. */
const REPORT_FOLLOWS_MS = 1_000;

function awaitReport(session: Session, call: OpenCall, event: SettleEvent): void {
  endLate(session);
  const timer = setTimeout(() => session.meter.faults.guard("body", () => endLate(session)), REPORT_FOLLOWS_MS);
  timer.unref();
  session.late = { call, event, timer };
}

/** Settles the response that waits for its usage; `message` is what reports that. */
function endLate(session: Session, message?: Json): void {
  const { late } = session;
  if (late === undefined) return;
  clearTimeout(late.timer);
  session.late = undefined;
  if (message !== undefined) readMessage(session, late.call, message);
  settle(session, late.call, late.event);
}

function settle(session: Session, call: OpenCall, event: SettleEvent): void {
  call.settle(event);
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

/** An estimate of the input of a response whose session alone tells what that was. */
function estimateInput({ state, target }: Session, { reading, facts }: OpenCall): void {
  if (reading.inputReported || facts.inputBytes !== undefined) return;
  const { inputBytes } = target.format.rates(facts.model ?? "");
  const input = state.knownTokens + state.addedBytes / inputBytes + state.addedAudio;
  reading.usage = { ...NO_USAGE, input: Math.ceil(input), inputAudio: Math.ceil(state.addedAudio) };
  reading.inputReported = true;
  reading.outputReported = false;
  reading.recognized = true;
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
function aside(session: Session, message: Json, model: string): void {
  const facts = { ...NO_REQUEST, model };
  const call = session.inContext(() => beginCall(session, facts));
  if (call === undefined) return;
  respond(session, call);
  readMessage(session, call, message);
  call.settle({ type: "end" });
}

/** The connection has closed: what was not answered to its end was broken off. `own`: by the client. */
export function closeSession(session: Session, own: boolean): void {
  const { faults } = session.meter;
  const event: SettleEvent = { type: own ? "cancel" : "error" };
  faults.guard("body", () => endLate(session));
  for (const call of [...session.running.values(), ...session.asked.map((one) => one.call)]) {
    faults.guard("body", () => {
      if (call.settled) return;
      // What was sent and not answered may have cost its input.
      if (call.status === undefined) {
        respond(session, call);
        call.completeReading = () => estimateInput(session, call);
      }
      call.settle(call.reading.finished ? { type: "end" } : event);
    });
  }
  session.running.clear();
  session.asked.length = 0;
  session.waiting.length = 0;
  session.last = undefined;
}
