import type { IncomingMessage } from "node:http";
import type { CallMeter } from "../../call/call-meter.ts";
import { treatmentHeaders } from "../../call/treatment.ts";
import { mayBeOurs, mayHoldOurs, readScopeHeaders, type SaidScope } from "../../wire/scope-headers.ts";
import { mayAskUsage, type Target } from "../../wire/target.ts";
import { watchAnswer } from "../bodies/answer.ts";
import { createClassMethods, stateOf } from "../bodies/class-methods.ts";
import { HeldRequest, MAX_HELD } from "../bodies/held-request.ts";
import { headerOf, headersOf, type Outgoing, type Output, rewriteHead } from "./head.ts";
import { rewriteAll } from "./rewritten.ts";
import { answerInstead } from "./stand-in.ts";

/** What the methods of a request know of it. */
interface Following {
  readonly meter: CallMeter;
  readonly held: HeldRequest;
  /** Its caller has not ended it. */
  isWritten: boolean;
}

/**
 * Holds a request that has just been created. Until it is admitted Node queues what is written to it, as it does for a
 * request that has no socket yet: all that the caller can see of the request is as in that case.
 */
export function holdRequest(meter: CallMeter, target: Target, message: Outgoing): void {
  const { faults } = meter;
  const held = new HeldRequest(
    meter,
    target,
    {
      headers: () => headersOf(message),
      header: (name) => headerOf(message, name),
      changing: { address: message.path ?? "", mayResize: message.strictContentLength !== true, mayMove: true },
      release(added, changed) {
        faults.guard("request", () => rewriteHead(message, added));
        const isChanged = changed === undefined || faults.guard("request", () => rewriteAll(message, changed)) === true;
        if (message.socket && !message.destroyed) message._flush();
        return isChanged;
      },
      refuse: (refusal) => answerInstead(message, refusal),
    },
    {
      mayAsk: mayAskUsage(target) && message.strictContentLength !== true,
      said: faults.guard("request", () => saidOf(message, target.tags)),
    },
  );
  following.give(message, { meter, held, isWritten: true });
  // Its caller waits for the server's word before it writes the body.
  if (message._header !== null && /^expect:/im.test(message._header)) held.start();
}

/** The scope in the headers, which for most requests is not looked for. */
function saidOf(message: Outgoing, tags: readonly string[]): SaidScope | undefined {
  const { _header: head } = message;
  const may = head === null ? message.getHeaderNames().some(mayBeOurs) : mayHoldOurs(head);
  return may ? readScopeHeaders(headersOf(message), tags) : undefined;
}

const following = createClassMethods<Following>((base) => {
  const own = base as Outgoing;
  return { ...queueMethods(own), ...writeMethods(own), ...eventMethods(own) };
});

const followed = (message: Outgoing): Following | undefined => stateOf(message);

/** What is written waits in the message's own queue. */
function queueMethods(own: Outgoing) {
  return {
    _writeRaw(this: Outgoing, data: unknown, encoding: unknown, callback: unknown, ...more: unknown[]): boolean {
      if (followed(this)?.held.isHeld !== true) return own._writeRaw.call(this, data, encoding, callback, ...more);
      if (this.socket?.destroyed) return false;
      const [coding, done] = typeof encoding === "function" ? [null, encoding] : [encoding, callback];
      this.outputData.push({ data, encoding: coding, callback: done } as Output);
      this.outputSize += (data as string).length;
      return this.outputSize < MAX_HELD;
    },
    _flush(this: Outgoing): unknown {
      return followed(this)?.held.isHeld === true ? undefined : own._flush.call(this);
    },
  };
}

function writeMethods(own: Outgoing) {
  return {
    write(this: Outgoing, chunk: unknown, encoding: unknown, callback: unknown): boolean {
      const state = followed(this);
      if (state?.isWritten !== true || this.finished || this.destroyed) {
        return own.write.call(this, chunk, encoding, callback);
      }
      const { held } = state;
      const [coding, done] = typeof encoding === "function" ? [null, encoding] : [encoding, callback];
      // A caller that waits for the piece to be taken would never end a body that is held.
      const early = held.isHeld && typeof done === "function";
      const passed = own.write.call(this, held.write(chunk, coding), coding, early ? undefined : done);
      if (early) process.nextTick(done as () => void);
      held.written(passed === false);
      return passed;
    },
    end(this: Outgoing, chunk: unknown, encoding: unknown, callback: unknown): unknown {
      const state = followed(this);
      if (state?.isWritten !== true || this.finished || this.destroyed) {
        return own.end.call(this, chunk, encoding, callback);
      }
      const { held } = state;
      const [last, coding, done] = typeof chunk === "function" ? [null, null, chunk] : [chunk, encoding, callback];
      try {
        return own.end.call(this, held.end(last, coding) ?? null, coding, done);
      } catch (error) {
        held.fail({ type: "error" });
        throw error;
      } finally {
        state.isWritten = false;
        held.settleEnd();
      }
    },
    flushHeaders(this: Outgoing): unknown {
      const state = followed(this);
      if (state?.isWritten === true) state.held.begin();
      return own.flushHeaders.call(this);
    },
  };
}

/** The events of a request are seen where it emits them, so that no listener of ours shows. */
function eventMethods(own: Outgoing) {
  return {
    emit(this: Outgoing, name: string, ...args: unknown[]): boolean {
      if (name === "response" || name === "error" || name === "pipe" || name === "close") {
        const state = followed(this);
        if (state !== undefined) state.meter.faults.guard("body", () => see(state, this, name, args[0]));
      }
      return own.emit.call(this, name, ...args);
    },
    destroy(this: Outgoing, error: unknown): unknown {
      // Node itself marks a request as destroyed, without this method.
      if (!this.destroyed) followed(this)?.held.fail({ type: "cancel" }, !this.writableFinished);
      return own.destroy.call(this, error);
    },
  };
}

function see({ meter, held }: Following, message: Outgoing, name: string, value: unknown): void {
  if (name === "response") seeAnswer(meter, held, value as IncomingMessage);
  else if (name === "error") {
    // The error may be one with which the caller has destroyed its answer.
    if (message.res?.destroyed !== true) held.fail({ type: "error" });
  } else if (name === "pipe") held.begin();
  else {
    // Once it has an answer, its body tells how the call ended.
    if (message.res == null) held.fail({ type: "error" });
    following.takeBack(message);
  }
}

function seeAnswer(meter: CallMeter, held: HeldRequest, answer: IncomingMessage): void {
  const call = held.answered();
  if (call === undefined || call.settled) return;
  const { statusCode = 0, headers, rawHeaders } = answer;
  watchAnswer(meter, call, {
    status: statusCode,
    headers: { get: (name) => textOf(headers[name]) },
    body: answer,
    endOf: (error) => ({ type: isCut(error) ? "error" : "cancel" }),
    stop: (error) => stopAnswer(answer, error),
  });
  const said = treatmentHeaders(call);
  if (said === undefined) return;
  Object.assign(headers, said);
  rawHeaders.push(...Object.entries(said).flat());
}

/** Closes the connection. To Node the answer has then come whole, and what its reader has not read yet stays readable. */
function stopAnswer(answer: IncomingMessage, error: Error | undefined): void {
  answer.complete = true;
  answer.socket?.destroy();
  if (error !== undefined) answer.destroy(error);
}

const textOf = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === "object" ? value.join(", ") : value;

/** Node's own error for an answer whose connection has closed. Every other one is of who destroyed the answer. */
function isCut(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "ECONNRESET" && message === "aborted";
}
