import { type CallState, next, type SettleEvent } from "../core/call.ts";
import type { ScopeNode } from "../core/scope.ts";
import type { AgentSpan } from "./agent-span.ts";
import type { Context } from "./context.ts";
import type { Faults } from "./faults.ts";
import { createFrameReader, type FrameReader } from "./frames.ts";
import { amount, parse } from "./json.ts";
import type { Target } from "./request.ts";
import type { SpanHandle } from "./spans.ts";
import { newReading, type Reading, type RequestFacts } from "./wire/format.ts";

const NO_FACTS: RequestFacts = { model: undefined, stream: false, inputBytes: undefined, attachments: 0 };

/** What becomes of a call when it settles. */
export type OnSettled = (call: OpenCall, state: Extract<CallState, { phase: "settled" }>) => void;

/** One call between its request and its ending. Everything that passes is shown to it; it settles once. */
export interface OpenCall {
  readonly target: Target;
  readonly context: Context;
  /** The scope with the key of the request in it. */
  node: ScopeNode;
  readonly startedAt: number;
  /** `performance.now()` at the start. */
  readonly startedMark: number;
  readonly reading: Reading;
  facts: RequestFacts;
  status: number | undefined;
  /** The response is an event stream. */
  stream: boolean;
  span: SpanHandle | undefined;
  readonly settled: boolean;
  /** Whether it is a model call at all. Of a body that is read later, to a host we do not know, it is seen later. */
  ours: boolean | Promise<boolean>;
  /** Whether somebody reads the body where we cannot see it. */
  unseen: () => boolean;
  /** The agent's span that counts this call. */
  agentSpan: AgentSpan | undefined;
  /** The caller's, by which it may end the call. */
  readonly signal: AbortSignal | undefined;
  /** Whether what we asked for has to be taken out of the stream. */
  readonly hides: boolean;
  /** The response's head has come. */
  respond(status: number, stream: boolean, headers: Headers): void;
  /** Reads a chunk of an event stream and returns what the caller is to get of it. */
  chunk(bytes: Uint8Array): Uint8Array;
  /** What was kept back, at the end of an event stream. */
  rest(): Uint8Array;
  /** Reads a whole body, parsed or not. */
  body(value: unknown): void;
  settle(event: SettleEvent): void;
}

export interface CallOptions {
  readonly target: Target;
  readonly context: Context;
  readonly node: ScopeNode;
  readonly facts: RequestFacts | undefined;
  readonly hides: boolean;
  readonly signal: AbortSignal | null | undefined;
  readonly faults: Faults;
  readonly onSettled: OnSettled;
}

/** Headers in which gateways say what a call cost, in USD. */
const COST_HEADERS = ["x-litellm-response-cost"];

export function openCall(options: CallOptions): OpenCall {
  const { target, faults, hides, onSettled } = options;
  const reading = newReading(target.host);
  let frames: FrameReader | undefined;
  let state: CallState = { phase: "open" };

  /** Our parser failed: the call settles by what was known before. */
  let blind = false;
  /** The frames themselves could not be told apart: what comes is passed on as it is. */
  let lost = false;
  function unread(error: unknown): void {
    blind = true;
    faults.report("parser", error);
  }

  const call: OpenCall = {
    target,
    context: options.context,
    node: options.node,
    startedAt: Date.now(),
    startedMark: performance.now(),
    reading,
    facts: options.facts ?? NO_FACTS,
    status: undefined,
    stream: options.facts?.stream ?? false,
    span: undefined,
    agentSpan: undefined,
    signal: options.signal ?? undefined,
    hides,
    unseen: () => false,
    ours: true,
    get settled() {
      return state.phase === "settled";
    },

    respond(status, stream, headers) {
      call.status = status;
      call.stream = stream;
      if (status >= 400) {
        call.settle({ type: "refused" });
        return;
      }
      for (const name of COST_HEADERS) reading.costUsd ??= amount(headers.get(name));
      if (stream) frames = createFrameReader(target.format, reading, hides, unread);
    },

    chunk(bytes) {
      if (frames === undefined || lost || (state.phase === "settled" && !hides)) return bytes;
      try {
        const passed = frames.push(bytes);
        if (reading.failed) call.settle({ type: "refused" });
        else if (reading.terminal) call.settle({ type: "terminal" });
        return passed;
      } catch (error) {
        lost = true;
        unread(error);
        return frames.release(bytes);
      }
    },

    rest() {
      if (frames === undefined) return EMPTY;
      try {
        if (!lost) return frames.rest();
      } catch (error) {
        lost = true;
        unread(error);
      }
      return frames.release(EMPTY);
    },

    body(value) {
      if (state.phase === "settled") return;
      faults.guard("parser", () => {
        if (call.stream) {
          if (typeof value === "string") call.chunk(Buffer.from(value));
          call.rest();
        } else target.format.readBody(typeof value === "string" ? parse(value) : value, reading);
      });
      call.settle({ type: reading.failed ? "refused" : "end" });
    },

    settle(event) {
      if (state.phase === "settled") return;
      const finished = reading.finished || reading.terminal || blind;
      const now = next(state, event, { stream: call.stream, finished });
      if (now.phase !== "settled") return;
      // A parser that failed before it recognised anything has seen nothing.
      const settled = { ...now, unseen: now.unseen || (blind && !reading.recognized) };
      state = settled;
      faults.guard("settle", () => onSettled(call, settled));
    },
  };
  return call;
}

const EMPTY = new Uint8Array(0);
