import type { IncomingMessage } from "node:http";
import type { CallMeter } from "../../call/call-meter.ts";
import { mayAskUsage, type Target } from "../../wire/target.ts";
import { watchAnswer } from "../bodies/answer.ts";
import { HeldRequest, MAX_HELD } from "../bodies/held-request.ts";
import { type Override, override } from "../bodies/override.ts";
import { headersOf, type Outgoing, type Output, rewriteHead } from "./head.ts";
import { answerInstead } from "./stand-in.ts";

type Method = (...args: unknown[]) => unknown;

/**
 * Holds a request that has just been created. Until it is admitted Node queues what is written to it, as it does for a
 * request that has no socket yet: all that the caller can see of the request is as in that case.
 */
export function holdRequest(meter: CallMeter, target: Target, message: Outgoing): void {
  const { faults } = meter;
  let held: HeldRequest;
  const queue = holdQueue(message, () => held.isHeld);
  held = new HeldRequest(
    meter,
    target,
    {
      headers: () => headersOf(message),
      release(added) {
        faults.guard("request", () => rewriteHead(message, added));
        queue.undo();
        if (message.socket && !message.destroyed) message._flush();
      },
      refuse(refusal) {
        queue.undo();
        answerInstead(message, refusal);
      },
    },
    { mayAsk: mayAskUsage(target) && message.strictContentLength !== true },
  );
  followWrites(message, held);
  followEvents(meter, message, held);
  // Its caller waits for the server's word before it writes the body.
  if (message._header !== null && /^expect:/im.test(message._header)) held.start();
}

function holdQueue(message: Outgoing, isHeld: () => boolean): Override {
  const { _writeRaw: writeRaw, _flush: flush } = message;
  const overrides = [
    override(message as never, "_writeRaw", function (this: Outgoing, data, encoding, callback, ...more): unknown {
      if (!isHeld()) return writeRaw.call(this, data, encoding, callback, ...(more as []));
      if (this.socket?.destroyed) return false;
      const [coding, done] = typeof encoding === "function" ? [null, encoding] : [encoding, callback];
      this.outputData.push({ data, encoding: coding, callback: done } as Output);
      this.outputSize += (data as string).length;
      return this.outputSize < MAX_HELD;
    } as Method),
    override(message as never, "_flush", function (this: Outgoing): unknown {
      return isHeld() ? undefined : flush.call(this);
    } as Method),
  ];
  return { undo: () => overrides.forEach((one) => void one.undo()) };
}

function followWrites(message: Outgoing, held: HeldRequest): void {
  const { write, end, flushHeaders } = message;
  const overrides: Override[] = [
    override(message as never, "write", function (this: Outgoing, chunk, encoding, callback): unknown {
      if (this.finished || this.destroyed) return write.call(this, chunk, encoding, callback);
      const [coding, done] = typeof encoding === "function" ? [null, encoding] : [encoding, callback];
      // A caller that waits for the piece to be taken would never end a body that is held.
      const early = held.isHeld && typeof done === "function";
      const passed = write.call(this, held.write(chunk, coding), coding, early ? undefined : done);
      if (early) process.nextTick(done as () => void);
      held.written(passed === false);
      return passed;
    } as Method),
    override(message as never, "end", function (this: Outgoing, chunk, encoding, callback): unknown {
      if (this.finished || this.destroyed) return end.call(this, chunk, encoding, callback);
      const [last, coding, done] = typeof chunk === "function" ? [null, null, chunk] : [chunk, encoding, callback];
      try {
        return end.call(this, held.end(last, coding) ?? null, coding, done);
      } catch (error) {
        held.fail({ type: "error" });
        throw error;
      } finally {
        for (const one of overrides) one.undo();
        held.settleEnd();
      }
    } as Method),
    override(message as never, "flushHeaders", function (this: Outgoing): unknown {
      held.begin();
      return flushHeaders.call(this);
    } as Method),
  ];
}

/** Sees the events of a request where it emits them, so that no listener of ours shows. */
function followEvents(meter: CallMeter, message: Outgoing, held: HeldRequest): void {
  const { emit, destroy } = message;
  const overrides = [
    override(message as never, "emit", function (this: Outgoing, name: unknown, ...args: unknown[]): unknown {
      meter.faults.guard("body", () => see(String(name), args[0]));
      return emit.call(this, name, ...args);
    } as Method),
    override(message as never, "destroy", function (this: Outgoing, error): unknown {
      // Node itself marks a request as destroyed, without this method.
      if (!this.destroyed) held.fail({ type: "cancel" });
      return destroy.call(this, error);
    } as Method),
  ];

  function see(name: string, value: unknown): void {
    if (name === "response") seeAnswer(meter, held, value as IncomingMessage);
    else if (name === "error") {
      // The error may be one with which the caller has destroyed its answer.
      if (message.res?.destroyed !== true) held.fail({ type: "error" });
    } else if (name === "pipe") held.begin();
    else if (name === "close") {
      // Once it has an answer, its body tells how the call ended.
      if (message.res == null) held.fail({ type: "error" });
      for (const one of overrides) one.undo();
    }
  }
}

function seeAnswer(meter: CallMeter, held: HeldRequest, answer: IncomingMessage): void {
  const call = held.answered();
  if (call === undefined || call.settled) return;
  const { statusCode = 0, headers } = answer;
  watchAnswer(meter, call, {
    status: statusCode,
    headers: { get: (name) => textOf(headers[name]) },
    body: answer,
    endOf: (error) => ({ type: isCut(error) ? "error" : "cancel" }),
  });
}

const textOf = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === "object" ? value.join(", ") : value;

/** Node's own error for an answer whose connection has closed. Every other one is of who destroyed the answer. */
function isCut(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "ECONNRESET" && message === "aborted";
}
