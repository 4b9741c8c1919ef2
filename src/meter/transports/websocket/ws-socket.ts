import type { Refusal } from "../../../limits/refusal.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import { isOurs, readScopeHeaders, restOf } from "../../wire/scope-headers.ts";
import { override } from "../bodies/override.ts";
import { errorOf, isSure, textOf } from "./handshake.ts";
import { later, type Messages, observeMessage } from "./messages.ts";
import { closeSession } from "./receiving.ts";
import { sendMessage } from "./sending.ts";
import { checkHandshake, openSession, type Session } from "./session.ts";

/** A request of `node:http`, as far as a handshake needs it. */
export interface HttpHandshake {
  readonly method: string;
  readonly protocol: string;
  readonly host: string;
  readonly path: string;
  getHeader(name: string): unknown;
  getHeaders(): Readonly<Record<string, unknown>>;
  setHeader(name: string, value: string): unknown;
  removeHeader(name: string): void;
  destroy(error: Error): unknown;
  emit(event: string, ...args: unknown[]): boolean;
  end(...args: unknown[]): unknown;
}

/** An instance of the `ws` package's class, of its versions 7 and 8. */
interface WsSocket {
  readonly readyState: number;
  readonly _closeFrameReceived: boolean;
  /** Text in version 7, where messages of text are strings as well. */
  readonly _closeMessage: unknown;
  send(...args: unknown[]): void;
  emit(event: string, ...args: unknown[]): boolean;
  close(...args: unknown[]): void;
  terminate(): void;
}

interface Upgraded {
  readonly destroyed: boolean;
  on(event: "newListener", listener: () => void): unknown;
  removeListener(event: "newListener", listener: () => void): unknown;
}

const OPEN = 1;
/** Marks a request that a copy of the package meters. */
const SEEN = Symbol.for("spendfuse.websocket");

/** A request of `node:http` was created: where it is the handshake of a WebSocket to a model, its session begins. */
export function seeHandshake(meter: CallMeter, request: HttpHandshake, isOn: () => boolean): void {
  if (request.method !== "GET" || String(request.getHeader("upgrade")).toLowerCase() !== "websocket") return;
  if (!isOn() || SEEN in request) return;
  const address = `${request.protocol}//${request.getHeader("host") ?? request.host}${request.path}`;
  const target = meter.classifier.find("WEBSOCKET", address);
  if (target === undefined) return;
  const headers = request.getHeaders();
  const said = readScopeHeaders(headers);
  if (said !== undefined) dropHeaders(request, headers);
  const session = openSession(meter, target, address, headers, said, isOn);
  if (session === undefined) return;
  Object.defineProperty(request, SEEN, { value: true });
  meter.inFlight.claim(request);
  watchUpgrade(session, request);
  if (!isSure(target)) return;
  const refusal = checkHandshake(session);
  if (refusal instanceof Promise) holdRequest(request, refusal);
  else if (refusal !== undefined) request.destroy(errorOf(refusal));
}

function dropHeaders(request: HttpHandshake, headers: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (!isOurs(name, value)) continue;
    const rest = restOf(name, value);
    if (rest === undefined) request.removeHeader(name);
    else request.setHeader(name, rest);
  }
}

/** The request leaves when it is known whether it may. */
function holdRequest(request: HttpHandshake, refusal: Promise<Refusal | undefined>): void {
  const { end } = request;
  let ended: unknown[] | undefined;
  let known = false;
  override(request, "end", (...args: unknown[]) => {
    if (known) return end.apply(request, args);
    ended = args;
    return request;
  });
  refusal.then((refused) => {
    known = true;
    Reflect.deleteProperty(request, "end");
    if (refused !== undefined) request.destroy(errorOf(refused));
    else if (ended !== undefined) end.apply(request, ended);
  });
}

/** The instance is found while the client takes over the socket, before it tells that it is open. */
function watchUpgrade(session: Session, request: HttpHandshake): void {
  const { emit } = request;
  override(request, "emit", (event: string, ...args: unknown[]) => {
    if (event === "upgrade" && args[1] !== undefined) {
      Reflect.deleteProperty(request, "emit");
      return takeOver(session, request, args[1] as Upgraded, () => emit.call(request, event, ...args));
    }
    return emit.call(request, event, ...args);
  });
}

function takeOver(session: Session, request: HttpHandshake, socket: Upgraded, run: () => boolean): boolean {
  let found: WsSocket | undefined;
  const look = (): void => {
    if (found !== undefined) return;
    const mark = Object.getOwnPropertySymbols(socket).find(({ description }) => description === "websocket");
    found = mark && (socket as unknown as Record<symbol, WsSocket | undefined>)[mark];
    if (found === undefined) return;
    socket.removeListener("newListener", look);
    watchInstance(session, found);
  };
  socket.on("newListener", look);
  try {
    return run();
  } finally {
    socket.removeListener("newListener", look);
    // Another library, whose messages are not seen; or a client that takes no such answer, and has ended the connection.
    if (found === undefined && !socket.destroyed) session.meter.inFlight.disclaim(request);
  }
}

function watchInstance(session: Session, socket: WsSocket): void {
  const { send, emit, close, terminate } = socket;
  const isOld = typeof socket._closeMessage === "string";
  const messages: Messages = { reading: undefined };
  const observe = (run: () => void): void => void session.meter.faults.guard("body", run);
  let own = false;
  session.port = {
    deliver(text) {
      if (socket.readyState !== OPEN) return;
      if (isOld) emit.call(socket, "message", text);
      else emit.call(socket, "message", Buffer.from(text), false);
    },
    send: (text) => {
      if (socket.readyState === OPEN) send.call(socket, text);
    },
    close: (code, reason) => socket.close(code, reason),
  };
  override(socket, "send", (...args: unknown[]) => {
    if (socket.readyState !== OPEN) {
      send.apply(socket, args);
      return;
    }
    sendMessage(
      session,
      textOf(args[0]),
      () => send.apply(socket, args),
      () => {
        const done = args.slice(1).find((arg) => typeof arg === "function") as (() => void) | undefined;
        if (done !== undefined) process.nextTick(done);
      },
    );
  });
  override(socket, "emit", (event: string, ...args: unknown[]) => {
    if (event === "message") observe(() => observeMessage(messages, session, args[0]));
    // What the vendor broke: the package closes by itself then.
    else if (event === "error") own = false;
    else if (event === "close") observe(() => later(messages, () => closeSession(session, own)));
    return emit.call(socket, event, ...args);
  });
  override(socket, "close", (...args: unknown[]) => {
    own ||= !socket._closeFrameReceived;
    return close.apply(socket, args);
  });
  override(socket, "terminate", () => {
    own = true;
    return terminate.call(socket);
  });
}
