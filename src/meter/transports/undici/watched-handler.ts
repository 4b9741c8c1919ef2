import type { HeaderLookup } from "../../wire/headers.ts";
import type { Answer } from "./answer.ts";
import {
  type Abort,
  type Controller,
  type Handler,
  isNew,
  type NewHandler,
  type OldHandler,
  type ParsedHeaders,
} from "./dispatcher.ts";

/** A handler that passes everything on to the caller's, and shows the answer what it is. */
export function watchHandler(handler: Handler, answer: Answer): Handler {
  const watched = isNew(handler) ? new WatchedNew(handler, answer) : new WatchedOld(handler, answer);
  return withOptional(watched, handler);
}

/** What a handler need not have, in either interface: undici looks whether it does. */
const OPTIONAL = ["onBodySent", "onRequestSent", "onResponseStarted", "onUpgrade", "onRequestUpgrade"] as const;

function withOptional<H extends Handler>(watched: H, handler: H): H {
  for (const name of OPTIONAL) {
    const method = (handler as unknown as Record<string, unknown>)[name];
    if (typeof method !== "function") continue;
    Object.defineProperty(watched, name, { value: (...args: unknown[]) => Reflect.apply(method, handler, args) });
  }
  return watched;
}

class WatchedOld implements OldHandler {
  readonly #handler: OldHandler;
  readonly #answer: Answer;
  #abort: Abort | undefined = undefined;
  #aborted = false;
  #isCut = false;

  constructor(handler: OldHandler, answer: Answer) {
    this.#handler = handler;
    this.#answer = answer;
  }

  onConnect(...args: Parameters<OldHandler["onConnect"]>): void {
    const [abort, ...more] = args;
    this.#abort = abort;
    const noted: Abort = (...reason) => {
      this.#aborted = true;
      return abort(...reason);
    };
    this.#handler.onConnect(noted, ...more);
  }

  onHeaders(...args: Parameters<OldHandler["onHeaders"]>): boolean | undefined {
    const [status, raw, ...more] = args;
    this.#answer.head(status, new RawLookup(raw ?? []));
    const { said } = this.#answer;
    if (said === undefined || status < 200) return this.#handler.onHeaders(...args);
    return this.#handler.onHeaders(status, [...(raw ?? []), ...rawOf(said)], ...more);
  }

  onData(chunk: Buffer): boolean | undefined {
    if (this.#isCut) return true;
    const passed = this.#answer.data(chunk);
    const goesOn = passed.byteLength > 0 || chunk.byteLength === 0 ? this.#handler.onData(bufferOf(passed)) : true;
    if (!this.#answer.isCut) return goesOn;
    this.#isCut = true;
    const { cutBy } = this.#answer;
    if (cutBy === undefined) this.#handler.onComplete([]);
    else this.#handler.onError(cutBy);
    this.#abort?.();
    return false;
  }

  onComplete(...args: Parameters<OldHandler["onComplete"]>): void {
    if (this.#isCut) return;
    const rest = this.#answer.end();
    if (rest.byteLength > 0) this.#handler.onData(bufferOf(rest));
    this.#handler.onComplete(...args);
  }

  onError(...args: Parameters<OldHandler["onError"]>): void {
    if (this.#isCut) return;
    const rest = this.#answer.fail(args[0], this.#aborted);
    if (rest.byteLength > 0) this.#handler.onData(bufferOf(rest));
    this.#handler.onError(...args);
  }
}

class WatchedNew implements NewHandler {
  readonly #handler: Required<NewHandler>;
  readonly #answer: Answer;
  #controller: Controller | undefined = undefined;
  #isCut = false;

  constructor(handler: NewHandler, answer: Answer) {
    this.#handler = handler as Required<NewHandler>;
    this.#answer = answer;
  }

  onRequestStart(...args: Parameters<NewHandler["onRequestStart"]>): void {
    this.#controller = args[0];
    this.#handler.onRequestStart(...args);
  }

  onResponseStart(...args: Parameters<Required<NewHandler>["onResponseStart"]>): void {
    const [controller, status, headers, ...more] = args;
    this.#answer.head(status, new ParsedLookup(headers));
    const { said } = this.#answer;
    if (said === undefined || status < 200) {
      this.#handler.onResponseStart(...args);
      return;
    }
    // Where its `fetch` reads them.
    if (Array.isArray(controller.rawHeaders)) controller.rawHeaders.push(...rawOf(said));
    this.#handler.onResponseStart(controller, status, { ...headers, ...said }, ...more);
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (this.#isCut) return;
    const passed = this.#answer.data(chunk);
    if (passed.byteLength > 0 || chunk.byteLength === 0) this.#handler.onResponseData(controller, bufferOf(passed));
    if (!this.#answer.isCut) return;
    this.#isCut = true;
    const { cutBy } = this.#answer;
    if (cutBy === undefined) this.#handler.onResponseEnd(controller, {});
    else this.#handler.onResponseError(controller, cutBy);
    controller.abort();
  }

  onResponseEnd(...args: Parameters<Required<NewHandler>["onResponseEnd"]>): void {
    if (this.#isCut) return;
    const rest = this.#answer.end();
    if (rest.byteLength > 0) this.#handler.onResponseData(args[0], bufferOf(rest));
    this.#handler.onResponseEnd(...args);
  }

  onResponseError(...args: Parameters<Required<NewHandler>["onResponseError"]>): void {
    if (this.#isCut) return;
    const controller = args[0] ?? this.#controller;
    const rest = this.#answer.fail(args[1], controller?.aborted);
    if (rest.byteLength > 0 && controller) this.#handler.onResponseData(controller, bufferOf(rest));
    this.#handler.onResponseError(...args);
  }
}

function rawOf(headers: Readonly<Record<string, string>>): readonly Buffer[] {
  return Object.entries(headers).flatMap(([name, value]) => [Buffer.from(name), Buffer.from(value)]);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Headers as they came: names and values in turn. Over HTTP/2, and from mocks, some values are lists or text. */
class RawLookup implements HeaderLookup {
  readonly #headers: readonly unknown[];

  constructor(headers: readonly unknown[]) {
    this.#headers = headers;
  }

  get(name: string): string | undefined {
    const headers = this.#headers;
    let found: string | undefined;
    for (let at = 0; at + 1 < headers.length; at += 2) {
      if (!isNamed(headers[at], name)) continue;
      const value = headers[at + 1];
      const text = Array.isArray(value) ? value.map(String).join(", ") : String(value);
      found = found === undefined ? text : `${found}, ${text}`;
    }
    return found;
  }
}

function isNamed(given: unknown, name: string): boolean {
  const { length } = given as { readonly length: number };
  return length === name.length && String(given).toLowerCase() === name;
}

class ParsedLookup implements HeaderLookup {
  readonly #headers: ParsedHeaders;

  constructor(headers: ParsedHeaders) {
    this.#headers = headers;
  }

  get(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }
}
