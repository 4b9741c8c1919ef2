import { type Abort, type Controller, type Handler, isNew } from "./dispatcher.ts";

/**
 * Lets a handler give its request up while we hold it, as it could one that waits for a connection: undici's `fetch` and
 * signals that are event emitters reach the dispatcher in no other way. The handler is told of the start again when the
 * request is sent, as of one that is sent anew. The signal is aborted when it gives up.
 */
export function startHeld(handler: Handler, gone: AbortController): void {
  const abort: Abort = (reason) => gone.abort(reason);
  if (isNew(handler)) handler.onRequestStart(new HeldController(gone), {});
  else handler.onConnect(abort, {});
}

/** Of a request that is not under way: nothing of it can be paused. */
class HeldController implements Controller {
  readonly rawHeaders: unknown = undefined;
  paused = false;
  readonly #gone: AbortController;

  constructor(gone: AbortController) {
    this.#gone = gone;
  }

  get aborted(): boolean {
    return this.#gone.signal.aborted;
  }

  get reason(): unknown {
    return this.#gone.signal.reason;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  abort(reason?: unknown): void {
    this.#gone.abort(reason);
  }
}
