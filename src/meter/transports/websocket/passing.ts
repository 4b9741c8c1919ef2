import type { Json } from "../../../core/json.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import { readScopeHeaders } from "../../wire/scope-headers.ts";
import { closeSession, receiveMessage } from "./receiving.ts";
import { sendMessage } from "./sending.ts";
import { openSession, type Port } from "./session.ts";

/** A connection between a client that cannot be hooked and its vendor, as whoever carries its messages sees it. */
export interface PassingSocket {
  /**
   * The client has sent something. `pass` sends it on, at once or after a check; `refused` is called instead where it
   * must not be sent. What is sent keeps its order. `text`: of a whole message; undefined for what cannot be a request.
   */
  send(text: string | undefined, pass: () => void, refused: () => void): void;
  /** The vendor has sent a message. */
  receive(text: string): void;
  /** The connection is open. */
  open(port: Port): void;
  /** It has closed. `own`: by the client. */
  close(own: boolean): void;
}

export interface PassingOptions {
  /** Where the client wants to go: an address of HTTP. */
  readonly address: string;
  /** Of the handshake. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** The message with which this client takes a refusal; absent: as the format has it. `body`: in the vendor's own shape. */
  readonly refusal?: ((body: Json) => object) | undefined;
}

/** In the scope of the caller. Undefined for what is no connection to a model. */
export function openPassing(meter: CallMeter, options: PassingOptions): PassingSocket | undefined {
  const { address, headers, refusal } = options;
  const target = meter.classifier.find("WEBSOCKET", address);
  if (target === undefined) return undefined;
  const said = readScopeHeaders(headers, target.tags);
  const opened = openSession(meter, target, address, headers, said, always);
  if (opened === undefined) return undefined;
  const session = refusal === undefined ? opened : { ...opened, wire: { ...opened.wire, refusal } };
  return {
    send: (text, pass, refused) => session.inContext(() => sendMessage(session, text, pass, refused)),
    receive: (text) => receiveMessage(session, text),
    open(port) {
      session.port = port;
    },
    close(own) {
      session.port = undefined;
      closeSession(session, own);
    },
  };
}

function always(): boolean {
  return true;
}
