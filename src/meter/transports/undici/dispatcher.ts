/** The parts of the undici package's interface that are the same from version 5 to 8. */

export interface Dispatcher {
  dispatch: Dispatch;
}

export type Dispatch = (this: Dispatcher, options: DispatchOptions, handler: Handler) => boolean;

export interface DispatchOptions {
  /** Left out where the dispatcher has one origin only. */
  readonly origin?: string | URL;
  /** With its query; the whole address to a proxy. */
  readonly path?: string;
  readonly method?: string;
  readonly headers?: unknown;
  readonly body?: unknown;
  readonly upgrade?: unknown;
  readonly signal?: unknown;
}

type Raw = readonly (Buffer | string | readonly Buffer[])[];
export type Abort = (reason?: unknown) => void;

/** What an answer is given to in versions 5 and 6, and may be in 7. */
export interface OldHandler {
  onConnect(abort: Abort, context?: unknown): void;
  onHeaders(status: number, headers: Raw | null, resume: () => void, statusText?: string): boolean | undefined;
  onData(chunk: Buffer): boolean | undefined;
  onComplete(trailers: Raw | null): void;
  onError(error: unknown): void;
}

export interface Controller {
  readonly rawHeaders?: unknown;
  readonly aborted: boolean;
  readonly paused: boolean;
  readonly reason: unknown;
  pause(): void;
  resume(): void;
  abort(reason?: unknown): void;
}

/** What an answer is given to in version 8, and may be in 7. */
export interface NewHandler {
  onRequestStart(controller: Controller, context?: unknown): void;
  onResponseStart?(controller: Controller, status: number, headers: ParsedHeaders, statusText?: string): void;
  onResponseData?(controller: Controller, chunk: Buffer): void;
  onResponseEnd?(controller: Controller, trailers: ParsedHeaders): void;
  onResponseError?(controller: Controller | null, error: unknown): void;
}

export type ParsedHeaders = Readonly<Record<string, string | string[] | undefined>>;
export type Handler = OldHandler | NewHandler;

export function isNew(handler: Handler): handler is NewHandler {
  return typeof (handler as Partial<NewHandler>).onRequestStart === "function";
}

/** Whether undici would take it; what it would not is left for it to report. */
export function isHandler(handler: unknown): handler is Handler {
  if (typeof handler !== "object" || handler === null) return false;
  const names = isNew(handler as Handler) ? NEW : OLD;
  return names.every((name) => typeof (handler as Record<string, unknown>)[name] === "function");
}

const OLD = ["onConnect", "onHeaders", "onData", "onComplete", "onError"];
const NEW = ["onRequestStart", "onResponseStart", "onResponseData", "onResponseEnd", "onResponseError"];
