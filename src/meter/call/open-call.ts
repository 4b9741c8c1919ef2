import { type CallState, next, OPEN, type SettleEvent } from "../../core/call.ts";
import type { Faults } from "../../core/faults.ts";
import { implausible, type RefusedFigure, refusedFigure, takeRefusedFigure } from "../../core/figures.ts";
import type { ScopeNode } from "../../core/scope.ts";
import type { SameRequest, Ticket } from "../../limits/gate.ts";
import type { AgentSpan } from "../tracing/agent-span.ts";
import type { SpanHandle } from "../tracing/call-span.ts";
import type { Context } from "../tracing/context.ts";
import { NO_FACTS, newReading, type Reading, type RequestFacts } from "../wire/formats/format.ts";
import { lookForGateway, readHead } from "../wire/gateways/host-gateway.ts";
import type { HeaderLookup } from "../wire/headers.ts";
import { parseBody } from "../wire/long-text.ts";
import type { StreamReader } from "../wire/streams/stream-reader.ts";
import type { Target } from "../wire/target.ts";
import type { PaidRequest } from "./paid-request.ts";
import type { CallOptionsOf, Changeable, Cut, OnSettledOf, ServicesOf, Treatment } from "./services.ts";
import type { Tether } from "./tether.ts";

export type OnSettled = OnSettledOf<OpenCall>;
export type CallServices = ServicesOf<OpenCall>;

/** One call between its request and its ending. It observes everything that passes, and settles once. */
export class OpenCall {
  target: Target;
  paid: PaidRequest | undefined;
  readonly context: Context;
  /** The scope with the key of the request in it. */
  node: ScopeNode;
  readonly startedAt: number = Date.now();
  /** `performance.now()` at the start. */
  readonly startedMark: number = performance.now();
  readonly reading: Reading;
  facts: RequestFacts;
  status: number | undefined = undefined;
  /** The response is an event stream. */
  stream: boolean;
  span: SpanHandle | undefined = undefined;
  agentSpan: AgentSpan | undefined = undefined;
  /** Whether it is a model call at all; not known at once when the body for an unknown host is read later. */
  ours: boolean | Promise<boolean> = true;
  /** Resolves when the facts are there, where they come later but before the request is sent. */
  reads: Promise<unknown> | undefined = undefined;
  /** What the call holds of its budgets. */
  ticket: Ticket | undefined = undefined;
  /** On a subscription's login, and so on no bill. */
  plan = false;
  hasBaggage = false;
  child: string | undefined = undefined;
  cuttable = false;
  /** The caller gets the stream coded: its transport cuts it, and says so by {@link cutBy}. */
  coded = false;
  /** What the stream is to end with, at the end of the event that the caller is reading; `done` once it has. */
  cutBy: Cut | "done" | undefined = undefined;
  tether: Tether | undefined = undefined;
  /** How far its request had come when its caller gave it up; undefined where the vendor may have all of it. */
  givenUp: "held" | "sending" | undefined = undefined;
  changeable: Changeable | undefined = undefined;
  treatment: Treatment | undefined = undefined;
  same: SameRequest | undefined = undefined;
  /** Adds to the reading what only the transport knows, before the call settles. */
  completeReading: (() => void) | undefined = undefined;
  /** Reads at once what has come and is still being decoded. */
  catchUp: (() => void) | undefined = undefined;
  signal: AbortSignal | undefined;
  /** Whether what we asked for has to be taken out of the stream; known before the response. */
  hides: boolean;
  readonly services: CallServices;
  readonly #faults: Faults;
  readonly #onSettled: OnSettled;
  #state: CallState = OPEN;
  #frames: StreamReader | undefined = undefined;
  /** What the caller has received so far ends at the end of an event. */
  #atEnd = true;
  /** Our parser failed: the call settles with what was known before. */
  #blind = false;
  /** What the vendor reported and cannot be: the usage, or the cost alone, is unknown. */
  doubt: "usage" | "cost" | undefined = undefined;
  /** The stream could not be split into frames: chunks are passed on unchanged. */
  #lost = false;

  constructor({
    target,
    paid,
    context,
    node,
    facts,
    hides,
    signal,
    faults,
    services,
    onSettled,
  }: CallOptionsOf<OpenCall>) {
    this.target = target;
    this.paid = paid;
    this.context = context;
    this.node = node;
    this.reading = newReading(target.host);
    this.facts = facts ?? NO_FACTS;
    this.stream = this.facts.stream;
    this.signal = signal ?? undefined;
    this.hides = hides;
    this.services = services;
    this.#faults = faults;
    this.#onSettled = onSettled;
  }

  get settled(): boolean {
    return this.#state.phase === "settled";
  }

  /** It failed, and may be retried. */
  get failed(): boolean {
    return this.#state.phase === "settled" && this.#state.ending === "failed";
  }

  /** Nothing of the call is left to observe, or to remove from what the caller reads. */
  get over(): boolean {
    return this.#state.phase === "settled" && !(this.hides && this.stream);
  }

  /** The response's head has arrived. */
  respond(status: number, stream: boolean, headers: HeaderLookup): void {
    this.status = status;
    this.stream = stream;
    if (status >= 400) {
      lookForGateway(this.target.gateway, headers);
      this.settle({ type: "refused" });
      return;
    }
    if (this.paid !== undefined && !this.paid.needsAnswer(this, status)) {
      this.settle({ type: "end" });
      return;
    }
    readHead(this.target.gateway, headers, stream, this.reading);
    this.target.format.readHead?.(headers, this.reading);
    if (refusedFigure !== undefined) this.#refuseFigure();
    if (!stream) return;
    const { format, framing, shapes } = this.target;
    this.#frames = framing.open(format, this.reading, this.hides, (error) => this.#unread(error), shapes);
  }

  /** The stream was cut: nothing follows. */
  get isCut(): boolean {
    return this.cutBy === "done";
  }

  cut(cut: Cut): void {
    if (!this.cuttable || this.settled || this.#frames === undefined || this.#lost) return;
    this.cutBy = cut;
  }

  /** Reads a chunk of an event stream and returns the bytes for the caller. */
  chunk(bytes: Uint8Array, owned = false): Uint8Array {
    if (this.coded) return this.#read(bytes, owned);
    if (this.cutBy !== undefined) return this.#cutIn(bytes, this.cutBy);
    const passed = this.#read(bytes, owned);
    if (this.cuttable && passed.byteLength > 0) this.#atEnd = this.#frames?.endsEvent(passed) === true;
    return passed;
  }

  #cutIn(bytes: Uint8Array, cut: Cut | "done"): Uint8Array {
    if (cut === "done") return EMPTY;
    const rest = this.#atEnd ? EMPTY : this.#frames?.restOfEvent(this.#read(bytes, false));
    if (rest === undefined) return bytes;
    this.cutBy = "done";
    this.settle({ type: "cancel" });
    // A copy, because a byte stream transfers the memory; not of Buffer's pool.
    return Uint8Array.from(Buffer.concat([rest, cut.event]));
  }

  #read(bytes: Uint8Array, owned: boolean): Uint8Array {
    const frames = this.#frames;
    if (frames === undefined || this.#lost || (this.settled && !this.hides)) return bytes;
    try {
      const passed = frames.push(bytes, owned);
      if (refusedFigure !== undefined) this.#refuseFigure();
      if (this.reading.failed) this.settle({ type: "refused" });
      else if (this.reading.terminal) this.settle({ type: "terminal" });
      return passed;
    } catch (error) {
      this.#lost = true;
      this.#unread(error);
      return frames.release(bytes);
    }
  }

  /** The bytes held back, at the end of an event stream. */
  rest(): Uint8Array {
    const frames = this.#frames;
    if (frames === undefined || this.isCut) return EMPTY;
    try {
      if (!this.#lost) return frames.rest();
    } catch (error) {
      this.#lost = true;
      this.#unread(error);
    }
    return frames.release(EMPTY);
  }

  /** The event stream ended. Settles, and returns the bytes held back. */
  end(): Uint8Array {
    const rest = this.rest();
    this.settle({ type: this.reading.failed ? "refused" : this.reading.terminal ? "terminal" : "end" });
    return rest;
  }

  /** The event stream broke off. Settles, and returns the bytes held back; none for a consumer that cancels. */
  breakOff(event: SettleEvent): Uint8Array {
    const rest = event.type === "cancel" ? EMPTY : this.rest();
    this.settle(event);
    return rest;
  }

  /** Reads a whole body: its text, its bytes, or what it was parsed into. */
  body(value: unknown): void {
    if (this.#state.phase === "settled") return;
    try {
      if (this.stream) {
        if (typeof value === "string") this.chunk(Buffer.from(value));
        else if (value instanceof Uint8Array) this.chunk(value);
        this.rest();
      } else this.target.format.readBody(parseBody(value), this.reading);
    } catch (error) {
      this.#faults.report("parser", error);
    }
    this.settle({ type: this.reading.failed ? "refused" : "end" });
  }

  settle(event: SettleEvent): void {
    if (this.#state.phase === "settled") return;
    if (this.completeReading !== undefined) this.#faults.guard("settle", this.completeReading);
    if (refusedFigure !== undefined) this.#refuseFigure();
    const { reading } = this;
    const finished = reading.finished || reading.terminal || this.#blind;
    const now = next(this.#state, event, { stream: this.stream, finished });
    if (now.phase !== "settled") return;
    // A parser that failed before it recognised anything has seen nothing.
    const settled = this.#blind && !reading.recognized ? { ...now, unseen: true } : now;
    this.#state = settled;
    if (!this.hides) this.#frames = undefined;
    try {
      this.#onSettled(this, settled);
    } catch (error) {
      this.#faults.report("settle", error);
    }
  }

  #refuseFigure(): void {
    const { what, text } = takeRefusedFigure() as RefusedFigure;
    if (this.doubt !== "usage") this.doubt = what;
    this.#faults.report("figure", implausible(text));
  }

  #unread(error: unknown): void {
    this.#blind = true;
    this.#faults.report("parser", error);
  }
}

const EMPTY = new Uint8Array(0);
