import type { Refusal } from "../../../limits/refusal.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import { isOurs, readScopeHeaders, restOf } from "../../wire/scope-headers.ts";
import { errorOf, isSure, textOf } from "./handshake.ts";
import { later, type Messages, observeMessage } from "./messages.ts";
import {
  addPending,
  type Pending,
  type PendingHandshakes,
  takePending,
  type UndiciHandshake,
} from "./pending-handshakes.ts";
import { closeSession } from "./receiving.ts";
import { sendMessage } from "./sending.ts";
import { checkHandshake, openSession, type Session } from "./session.ts";

export interface OpenedSocket {
  readonly url: string;
}

/** What is known of one socket of the class. */
interface Known {
  readonly session: Session;
  readonly refusal: Refusal | undefined;
  /** The client closed it. */
  own: boolean;
  readonly messages: Messages;
}

/** Node's own WebSockets. */
export interface GlobalSockets {
  /** A request of undici's was created. */
  seeHandshake(request: UndiciHandshake): void;
  /** A WebSocket is open and has told its listeners. */
  seeOpen(socket: OpenedSocket | undefined): void;
  /** Takes our methods from the class again. */
  restore(): void;
}

type Methods = {
  send(...args: unknown[]): void;
  close(...args: unknown[]): void;
  dispatchEvent(event: Event): boolean;
};

const OPEN = 1;

interface SocketsState {
  readonly meter: CallMeter;
  readonly isOn: () => boolean;
  readonly pending: PendingHandshakes;
  readonly known: WeakMap<object, Known>;
  restore: (() => void) | undefined;
}

export function createGlobalSockets(meter: CallMeter, isOn: () => boolean): GlobalSockets {
  const state: SocketsState = { meter, isOn, pending: new Map(), known: new WeakMap(), restore: undefined };
  return {
    seeHandshake(request) {
      if (request.upgrade !== "websocket" || !isOn()) return;
      see(state, request);
    },
    seeOpen(socket) {
      if (socket === undefined || state.known.has(socket)) return;
      // Of the undici package, whose class is another one.
      const one = takePending(state.pending, socket.url);
      if (one !== undefined) meter.inFlight.disclaim(one.request);
    },
    restore() {
      state.restore?.();
      state.restore = undefined;
    },
  };
}

/**
 * Whether the request that is being created is of Node's own undici, and not of the package. Handshakes are few enough to
 * look at the stack for it, which nothing else tells.
 */
function isNodes(): boolean {
  const { stack = "" } = new Error();
  return !stack.includes("\n") || stack.includes("node:internal/deps/undici");
}

function see(state: SocketsState, request: UndiciHandshake): void {
  const { meter, isOn } = state;
  if (!isNodes()) return;
  const origin = String(request.origin).replace(/\/$/, "");
  const address = `${origin}${request.path}`;
  const target = meter.classifier.find("WEBSOCKET", address);
  if (target === undefined) return;
  const { headers } = request;
  const pairs = typeof headers === "string" ? [] : pairsOf(headers);
  const said = readScopeHeaders(pairs);
  if (said !== undefined) dropHeaders(headers as string[]);
  const session = openSession(meter, target, address, pairs, said, isOn);
  if (session === undefined) return;
  // Undici is loaded by now, so that looking at its class costs nothing.
  state.restore ??= patch(state, globalThis.WebSocket);
  meter.inFlight.claim(request);
  const one: Pending = { request, session, refusal: undefined, answered: false };
  addPending(state.pending, address, one);
  if (!isSure(target)) return;
  const refusal = checkHandshake(session);
  // One that takes time cannot be waited for: then each request on the connection is refused.
  if (refusal === undefined || refusal instanceof Promise) return;
  one.refusal = refusal;
  const fail = request.onResponseError ?? request.onError;
  fail?.call(request, errorOf(refusal));
}

function pairsOf(headers: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) pairs.push([String(headers[at]), String(headers[at + 1])]);
  return pairs;
}

function dropHeaders(headers: string[]): void {
  for (let at = headers.length - 2; at >= 0; at -= 2) {
    const name = headers[at] as string;
    if (!isOurs(name, headers[at + 1])) continue;
    const rest = restOf(name, headers[at + 1]);
    if (rest === undefined) headers.splice(at, 2);
    else headers[at + 1] = rest;
  }
}

/**
 * Puts our methods on the class: `send` and `close` in the place of its own, and `dispatchEvent`, which it inherits, on a
 * prototype in between, where no listing shows it. Returns what takes them away again.
 */
function patch(state: SocketsState, socketClass: typeof WebSocket): () => void {
  const prototype = socketClass.prototype as unknown as Methods;
  const parent = Object.getPrototypeOf(prototype) as Methods;
  const { send, close } = prototype;
  const { dispatchEvent } = parent;
  const ours: Methods = {
    send(this: WebSocket, ...args) {
      const known = state.known.get(this);
      if (known === undefined || this.readyState !== OPEN) send.apply(this, args);
      else sendMessage(known.session, textOf(args[0]), () => send.apply(this, args), nothing);
    },
    close(this: WebSocket, ...args) {
      const known = state.known.get(this);
      if (known !== undefined && this.readyState === OPEN) known.own = true;
      return close.apply(this, args);
    },
    dispatchEvent(this: WebSocket, event) {
      const known = state.known.get(this) ?? adopt(state, this, event, send, dispatchEvent);
      if (known !== undefined) state.meter.faults.guard("body", () => observe(known, event));
      return dispatchEvent.call(this, event);
    },
  };
  const between = Object.create(parent) as object;
  Object.defineProperty(between, "dispatchEvent", { value: ours.dispatchEvent, writable: true, configurable: true });
  Object.setPrototypeOf(prototype, between);
  const undo = (["send", "close"] as const).map((name) => replace(prototype, name, ours[name]));
  return () => {
    for (const step of undo) step();
    if (Object.getPrototypeOf(prototype) === between) Object.setPrototypeOf(prototype, parent);
  };
}

function nothing(): void {}

/** Puts a method in the place of another, and makes it look like that. Returns what puts that back, unless others have patched since. */
function replace(target: object, name: string, method: (...args: never[]) => unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(target, name) as PropertyDescriptor;
  Object.defineProperty(method, "length", { value: (before.value as { length: number }).length, configurable: true });
  Object.defineProperty(target, name, { ...before, value: method });
  return () => {
    if (Object.getOwnPropertyDescriptor(target, name)?.value === method) Object.defineProperty(target, name, before);
  };
}

/** The first event of a socket tells which handshake was its. */
function adopt(
  state: SocketsState,
  socket: WebSocket,
  event: Event,
  send: Methods["send"],
  dispatchEvent: Methods["dispatchEvent"],
): Known | undefined {
  if (state.pending.size === 0 || (event.type !== "open" && event.type !== "error")) return undefined;
  const one = takePending(state.pending, socket.url);
  if (one === undefined) return undefined;
  const { session, refusal } = one;
  const known: Known = { session, refusal, own: false, messages: { reading: undefined } };
  state.known.set(socket, known);
  session.port = {
    deliver(text) {
      if (socket.readyState !== OPEN) return;
      const { origin } = new URL(socket.url);
      dispatchEvent.call(socket, new MessageEvent("message", { data: text, origin }));
    },
    send: (text) => {
      if (socket.readyState === OPEN) send.call(socket, text);
    },
    close: (code, reason) => socket.close(code, reason),
  };
  return known;
}

function observe(known: Known, event: Event): void {
  const { type } = event;
  if (type === "message") observeMessage(known.messages, known.session, (event as MessageEvent).data);
  else if (type === "close") later(known.messages, () => closeSession(known.session, known.own));
  else if (type === "error" && known.refusal !== undefined) explain(event, known.refusal);
}

/** Undici's event has no message, or says only that the network failed. */
function explain(event: Event, refusal: Refusal): void {
  const error = errorOf(refusal);
  Object.defineProperty(event, "message", { value: error.message, configurable: true, enumerable: true });
  Object.defineProperty(event, "error", { value: error, configurable: true, enumerable: true });
}
