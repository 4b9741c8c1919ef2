import type { CallMeter } from "../call/call-meter.ts";

/**
 * A transport: one way by which requests to models leave the process. To add one, write a file beside this one and give
 * it a line in `registry.ts`.
 *
 * It asks `meter.classify(method, url)` of each request about to leave. For what that finds it then uses, in order:
 * `meter.begin` with headers and body; `meter.admit`, whose refusal it turns into an answer of its own shape; what
 * carries the request inside `meter.inFlight`; `call.respond` when the head of the answer is there; each chunk or the
 * whole body; and the ending, by `call.end`, `call.breakOff` or `call.settle`. The call does the rest.
 *
 * A request with a price that is no model call is found and carried in the same way: nothing here has to know it.
 */
export interface Transport {
  /** The file's name. */
  readonly name: string;
  /**
   * Makes the hook of one process. Nothing is changed before {@link Connection.install}.
   * @param enabled Whether the configuration has it on; asked for each request, because it may come after the hook.
   */
  connect(meter: CallMeter, enabled: () => boolean): Connection;
}

export interface Connection {
  /**
   * Puts the hook in place, unless it is. False where there is nothing to hook, or another copy of the package has put
   * its own hook there.
   */
  install(): boolean;
  remove(): void;
}
