import { AsyncLocalStorage } from "node:async_hooks";
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import type { SettleEvent } from "../../../core/call.ts";
import type { Passage } from "../../../limits/gate.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import { admit } from "../../call/checkpoint.ts";
import type { InFlight } from "../../call/in-flight-requests.ts";
import type { OpenCall } from "../../call/open-call.ts";
import type { RequestFacts } from "../../wire/formats/format.ts";
import { readScopeHeaders, type SaidScope } from "../../wire/scope-headers.ts";
import type { Target } from "../../wire/target.ts";
import { type Carrier, type HeldOptions, pathOf, writtenChange } from "./carrier.ts";
import { ChangedBody } from "./changed-body.ts";
import { createWrittenBody, type WrittenBody } from "./written-body.ts";

/** No more of a body is held until its end is known. */
export const MAX_HELD: number = 4 * 1024 * 1024;
/** For so long a body that is written in pieces is held until its end. */
const MAX_HELD_MS = 100;

/** `deciding`: the gate has been asked. `let-go`: the carrier has been told. */
type Phase = "held" | "deciding" | "let-go";

/**
 * A request that a caller writes, from its creation to its answer: it is held until its body is known and its call is
 * admitted. A class, because there is one for each request. Its faults never reach the caller.
 */
export class HeldRequest {
  call: OpenCall | undefined = undefined;
  readonly #meter: CallMeter;
  readonly #target: Target;
  readonly #carrier: Carrier;
  readonly #body: WrittenBody;
  readonly #said: SaidScope | undefined;
  #phase: Phase = "held";
  #started = false;
  #ended = false;
  /** What the carrier is told once the last of the body is written. */
  #verdict: (() => void) | undefined = undefined;
  #timer: NodeJS.Timeout | undefined = undefined;
  #inContext: ReturnType<typeof AsyncLocalStorage.snapshot> | undefined = undefined;
  #lateFacts: PromiseWithResolvers<RequestFacts | undefined> | undefined = undefined;
  #inFlight: InFlight | undefined = undefined;
  #changes: ChangedBody | undefined = undefined;
  /** Tells a call that waits that its caller has gone. */
  #gone: AbortController | undefined = undefined;
  /** The caller gave up, or the connection failed, before the gate had answered. */
  #endedBy: SettleEvent | undefined = undefined;

  constructor(meter: CallMeter, target: Target, carrier: Carrier, options: HeldOptions) {
    this.#meter = meter;
    this.#target = target;
    this.#carrier = carrier;
    this.#said = options.said;
    this.#body = createWrittenBody(target, options.mayAsk, () => this.#headerOf("content-encoding"));
  }

  get isHeld(): boolean {
    return this.#phase !== "let-go";
  }

  /** The caller has begun to send. The call belongs to the context in which it did. */
  begin(): void {
    if (this.#timer !== undefined || this.#phase !== "held") return;
    this.#inContext ??= AsyncLocalStorage.snapshot();
    this.#timer = setTimeout(() => this.start(), MAX_HELD_MS);
  }

  /** Takes a piece of the body, and returns what is written in its place. */
  write(chunk: unknown, encoding: unknown): unknown {
    if (this.#ended || !isChunk(chunk)) return chunk;
    this.begin();
    return this.#meter.faults.guard("request", () => this.#body.add(chunk, encoding)) ?? chunk;
  }

  /** A piece has been written. `isFull`: the caller waits until some of it is sent. */
  written(isFull: boolean): void {
    if (this.#started || !(isFull || this.#body.size > MAX_HELD)) return;
    // Most callers end the request at once, however long its one piece is.
    setImmediate(() => this.start());
  }

  /** Takes the last piece, if there is one, and returns what is written in its place. {@link settleEnd} must follow. */
  end(chunk: unknown, encoding: unknown): unknown {
    if (this.#ended || (chunk && !isChunk(chunk))) return chunk;
    this.#ended = true;
    clearTimeout(this.#timer);
    const { faults } = this.#meter;
    const given = chunk ? (chunk as string | Uint8Array) : undefined;
    if (this.#started) {
      faults.guard("request", () => this.#body.end(given, encoding));
      this.#lateFacts?.resolve(faults.guard("request", () => this.#body.facts()));
      return this.#last(chunk);
    }
    this.#started = true;
    let facts: RequestFacts | undefined;
    try {
      this.#body.end(given, encoding);
      facts = this.#target.facts ?? this.#body.facts();
    } catch (error) {
      faults.report("request", error);
      this.#decideUnchecked();
      return this.#last(chunk);
    }
    this.#decide(facts);
    if (this.call === undefined) this.#body.mayAsk = false;
    return this.#last(chunk);
  }

  #last(chunk: unknown): unknown {
    const last = this.#meter.faults.guard("request", () => this.#body.last());
    if (this.call !== undefined && this.#body.added > 0) this.call.hides = true;
    return last ?? chunk;
  }

  /** The last piece has been written. */
  settleEnd(): void {
    const verdict = this.#verdict;
    this.#verdict = undefined;
    verdict?.();
  }

  /** Lets a request go whose body is not known yet: it is read as it is sent. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    clearTimeout(this.#timer);
    this.#body.mayAsk = false;
    this.#lateFacts = Promise.withResolvers();
    this.#decide(this.#target.facts ?? this.#lateFacts.promise);
    this.settleEnd();
  }

  /**
   * The request has no answer: the caller ended it, or its connection failed.
   * @param unsent Before all of it was sent.
   */
  fail(event: SettleEvent, unsent = false): void {
    clearTimeout(this.#timer);
    this.#started = true;
    this.#lateFacts?.resolve(undefined);
    this.#endInFlight();
    if (this.#phase === "deciding") {
      this.#endedBy ??= event;
      this.#gone?.abort();
    } else this.#settle(event, unsent ? "sending" : undefined);
  }

  /** A stream that we have cut settles by that. */
  #settle(event: SettleEvent, givenUp: OpenCall["givenUp"]): void {
    const { call } = this;
    if (call === undefined || call.isCut) return;
    call.givenUp = givenUp;
    call.settle(event);
  }

  /** The head of the answer has come. Returns the call to watch, if there is any. */
  answered(): OpenCall | undefined {
    this.#endInFlight();
    // A server may answer before it has all of the request.
    if (!this.#ended) this.#lateFacts?.resolve(this.#meter.faults.guard("request", () => this.#body.facts()));
    return this.call;
  }

  #endInFlight(): void {
    if (this.#inFlight !== undefined) this.#meter.inFlight.end(this.#inFlight);
  }

  #decide(facts: RequestFacts | undefined | Promise<RequestFacts | undefined>): void {
    const inContext = this.#inContext;
    if (inContext === undefined) this.#decideHere(facts);
    else inContext(() => this.#decideHere(facts));
  }

  #decideHere(facts: RequestFacts | undefined | Promise<RequestFacts | undefined>): void {
    const { faults } = this.#meter;
    const target = this.#target;
    // An unrelated API: a matching path on an unknown host, with a body that does not match.
    if (facts === undefined && target.host === undefined) {
      this.#pass(false);
      return;
    }
    const headers = this.#carrier.headers();
    const call = this.#meter.begin(target, {
      facts,
      asked: false,
      headers,
      said: this.#said ?? faults.guard("request", () => readScopeHeaders(headers, target.tags)),
      signal: undefined,
      ...(facts instanceof Promise && { sends: true as const }),
    });
    if (call === undefined) {
      this.#decideUnchecked();
      return;
    }
    this.call = call;
    this.#phase = "deciding";
    const { gate } = call.services;
    if (gate?.changes === true) {
      // A body that is read as it is sent cannot be changed.
      const text = (): string | undefined => (facts instanceof Promise ? undefined : this.#body.text());
      this.#changes = new ChangedBody(call, { ...this.#carrier.changing, text, headers: this.#carrier.headers });
      call.changeable = this.#changes;
    }
    if (gate?.waits === true) {
      this.#gone = new AbortController();
      call.signal = this.#gone.signal;
    }
    const passage = admit(call, this.#body.text(), faults);
    if (passage instanceof Promise) passage.then((late) => this.#admitted(call, late, true));
    else this.#admitted(call, passage, false);
  }

  /** A fault of ours kept the call from being begun. */
  #decideUnchecked(): void {
    const refusal = this.#meter.unchecked(this.#target);
    if (refusal === undefined) this.#pass(true);
    else this.#tell(() => this.#carrier.refuse(refusal));
  }

  #admitted(call: OpenCall, passage: Passage | undefined, late: boolean): void {
    if (passage?.pass === false) {
      call.settle({ type: "block" });
      if (this.#endedBy === undefined) this.#tell(() => this.#carrier.refuse(passage.refusal()));
    } else {
      call.ticket = passage?.ticket;
      if (this.#endedBy === undefined) this.#pass(true);
      else this.#settle(this.#endedBy, "held");
    }
    if (late) this.settleEnd();
  }

  /** `metered`: it is a model call, and not only of its path. */
  #pass(metered: boolean): void {
    this.#tell(() => {
      const changed = writtenChange(this.#changes, this.#body.added > 0);
      const target = changed === undefined ? this.#target : { ...this.#target, path: pathOf(changed) };
      if (this.#endedBy === undefined) this.#inFlight = this.#meter.inFlight.begin(target, metered);
      if (!this.#carrier.release(this.#body.added, changed)) this.#changes?.undo();
      if (this.#endedBy !== undefined) this.#settle(this.#endedBy, "held");
    });
  }

  #tell(carry: () => void): void {
    this.#verdict = () => {
      this.#phase = "let-go";
      this.#meter.faults.guard("request", carry);
    };
  }

  #headerOf(name: string): string | undefined {
    const value = this.#carrier.header(name);
    return value === undefined ? undefined : String(value);
  }
}

function isChunk(chunk: unknown): chunk is string | Uint8Array {
  return typeof chunk === "string" || chunk instanceof Uint8Array;
}
