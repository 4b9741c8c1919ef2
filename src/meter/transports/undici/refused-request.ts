import { setImmediate } from "node:timers";
import type { Refusal } from "../../../limits/refusal.ts";
import { type Controller, type Handler, isNew, type NewHandler, type OldHandler } from "./dispatcher.ts";
import { isNodeStream } from "./request-body.ts";

/**
 * Gives a refusal to a request's handler as the answer of a server, and no earlier than one could come. A stream that was
 * to be sent is destroyed, as undici does with one that it cannot send: that frees its file, and whoever writes to it.
 */
export function refuse(handler: Handler, refusal: Refusal, body: unknown): void {
  if (isNodeStream(body)) body.on("error", IGNORE);
  setImmediate(() => {
    if (isNew(handler)) refuseNew(handler, refusal);
    else refuseOld(handler, refusal);
    if (isNodeStream(body)) body.destroy();
  });
}

const IGNORE = (): void => {};

type Step = () => boolean | undefined;

/** The steps of an answer, each taken only once the reader takes more. */
class Steps {
  readonly #steps: Step[];
  readonly #onError: (error: unknown) => void;
  #waits = false;
  #over = false;

  constructor(steps: readonly Step[], onError: (error: unknown) => void) {
    this.#steps = [...steps];
    this.#onError = onError;
  }

  run(): void {
    this.#waits = false;
    while (!this.#over && !this.#waits) {
      const step = this.#steps.shift();
      if (step === undefined) {
        this.#over = true;
        return;
      }
      try {
        if (step() === false) this.#waits = true;
      } catch (error) {
        this.abort(error);
      }
    }
  }

  /** Goes on where the last step made it wait. */
  resume(): void {
    if (this.#waits) setImmediate(() => this.#waits && this.run());
  }

  abort(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#onError(reason ?? abortError());
  }
}

function refuseOld(handler: OldHandler, { status, statusText, headers, body }: Refusal): void {
  const raw = rawOf(headers);
  const steps: Steps = new Steps(
    [
      () => void handler.onConnect((reason) => steps.abort(reason), null),
      () => handler.onHeaders(status, raw, () => steps.resume(), statusText),
      () => handler.onData(Buffer.from(body)),
      () => void handler.onComplete([]),
    ],
    (error) => handler.onError(error),
  );
  steps.run();
}

function refuseNew(given: NewHandler, { status, statusText, headers, body }: Refusal): void {
  const handler = given as Required<NewHandler>;
  const controller = createController(rawOf(headers));
  const paced = (step: () => void): Step => {
    return () => {
      step();
      return !controller.paused;
    };
  };
  const steps: Steps = new Steps(
    [
      () => void handler.onRequestStart(controller, null),
      paced(() => handler.onResponseStart(controller, status, lowerCased(headers), statusText)),
      paced(() => handler.onResponseData(controller, Buffer.from(body))),
      () => void handler.onResponseEnd(controller, {}),
    ],
    (error) => handler.onResponseError(controller, error),
  );
  controller.steps = steps;
  steps.run();
}

type RefusedController = Controller & { steps: Steps | undefined };

function createController(rawHeaders: readonly Buffer[]): RefusedController {
  let state: { readonly aborted: boolean; readonly reason: unknown } = { aborted: false, reason: null };
  let paused = false;
  return {
    rawHeaders,
    steps: undefined,
    get aborted() {
      return state.aborted;
    },
    get reason() {
      return state.reason;
    },
    get paused() {
      return paused;
    },
    pause() {
      paused = true;
    },
    resume() {
      if (!paused) return;
      paused = false;
      this.steps?.resume();
    },
    abort(reason) {
      if (state.aborted) return;
      state = { aborted: true, reason };
      this.steps?.abort(reason);
    },
  };
}

function rawOf(headers: Refusal["headers"]): Buffer[] {
  return Object.entries(headers).flatMap((pair) => pair.map((text) => Buffer.from(text)));
}

function lowerCased(headers: Refusal["headers"]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** As undici's own, whose class is not at hand. */
function abortError(): Error {
  return Object.assign(new Error("Request aborted"), { name: "AbortError", code: "UND_ERR_ABORTED" });
}
