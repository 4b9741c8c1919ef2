import type { Duplex } from "node:stream";
import type { PassingSocket } from "../../meter/transports/websocket/passing.ts";
import { CLOSE, createFrameReader, isControl, SocketFault, TEXT, writeClose, writeFrame } from "./frames.ts";
import { type Compression, createMessageReader, type Message } from "./messages.ts";

/** Both ends of a connection that is open. */
export interface Ends {
  readonly client: Duplex;
  readonly vendor: Duplex;
}

/** Passes all bytes between two sockets, until either closes. */
export function splice({ client, vendor }: Ends): void {
  for (const [from, to] of [
    [client, vendor],
    [vendor, client],
  ] as const) {
    from.on("data", (bytes: Buffer) => writeTo(from, to, bytes));
    from.on("end", () => to.end());
    from.on("close", () => to.destroy());
  }
  client.resume();
  vendor.resume();
}

interface Spliced extends Ends {
  readonly socket: PassingSocket;
  /** Who began to close it. */
  closing: "client" | "vendor" | undefined;
  /** A message of the vendor has begun and not ended. */
  within: boolean;
  /** Our own messages, which cannot be put into one of the vendor's. */
  readonly waiting: Buffer[];
  /** Of the client's messages, how many wait for a check. It is not read on meanwhile. */
  held: number;
  over: boolean;
}

/** The same, frame by frame and metered: what the client sends leaves when its message is whole and may be sent. */
export function spliceMetered(ends: Ends, socket: PassingSocket, compression: Compression | undefined): void {
  const { client, vendor } = ends;
  const state: Spliced = { ...ends, socket, closing: undefined, within: false, waiting: [], held: 0, over: false };
  socket.open({
    deliver: (text) => deliver(state, writeFrame(TEXT, Buffer.from(text), false)),
    send: (text) => void (vendor.writable && vendor.write(writeFrame(TEXT, Buffer.from(text), true))),
    close(code, reason) {
      state.closing ??= "client";
      close(state, code, reason);
    },
  });
  listen(state, "client", readClient(state, compression));
  listen(state, "vendor", readVendor(state, compression));
  client.resume();
  vendor.resume();
}

function listen(state: Spliced, side: "client" | "vendor", read: (bytes: Buffer) => void): void {
  const [from, to] = side === "client" ? [state.client, state.vendor] : [state.vendor, state.client];
  from.on("data", (bytes: Buffer) => {
    if (state.over) return;
    to.cork();
    try {
      read(bytes);
    } catch (error) {
      const { code, message } = error instanceof SocketFault ? error : new SocketFault(1002, "it cannot be read");
      state.closing ??= side;
      close(state, code, message);
    }
    to.uncork();
    if (to.writableNeedDrain) from.pause();
  });
  to.on("drain", () => goOn(state, from));
  from.on("end", () => {
    state.closing ??= side;
    to.end();
  });
  from.on("close", () => {
    state.closing ??= side;
    to.destroy();
    if (state.over) return;
    state.over = true;
    state.socket.close(state.closing === "client");
  });
}

function goOn(state: Spliced, from: Duplex): void {
  if (from === state.client && (state.held > 0 || state.vendor.writableNeedDrain)) return;
  from.resume();
}

function readClient(state: Spliced, compression: Compression | undefined): (bytes: Buffer) => void {
  const frames = createFrameReader(true, compression !== undefined);
  // Each by itself: the answer to the handshake said so.
  const messages = createMessageReader(false);
  return (bytes) => {
    for (const frame of frames(bytes)) {
      if (frame.opcode === CLOSE) state.closing ??= "client";
      const message = isControl(frame) ? { frames: [frame], text: undefined } : messages(frame);
      if (message !== undefined) sendOn(state, message);
    }
  };
}

function sendOn(state: Spliced, { frames, text }: Message): void {
  const { client, vendor, socket } = state;
  let decision: "open" | "made" | "late" = "open";
  const decided = (): void => {
    if (decision === "late") {
      state.held -= 1;
      goOn(state, client);
    }
    decision = "made";
  };
  const pass = (): void => {
    for (const { raw } of frames) if (vendor.writable) vendor.write(raw);
    decided();
  };
  socket.send(text, pass, decided);
  if ((decision as string) === "made") return;
  decision = "late";
  state.held += 1;
  client.pause();
}

function readVendor(state: Spliced, compression: Compression | undefined): (bytes: Buffer) => void {
  const { client, socket, waiting } = state;
  const frames = createFrameReader(false, compression !== undefined);
  const messages = createMessageReader(compression?.continued ?? false);
  return (bytes) => {
    for (const frame of frames(bytes)) {
      if (frame.opcode === CLOSE) state.closing ??= "vendor";
      const message = isControl(frame) ? undefined : messages(frame);
      if (client.writable) client.write(frame.raw);
      if (isControl(frame)) continue;
      state.within = message === undefined;
      if (message?.text !== undefined) socket.receive(message.text);
      if (!state.within) for (const own of waiting.splice(0)) deliver(state, own);
    }
  };
}

function deliver({ client, within, waiting }: Spliced, frame: Buffer): void {
  if (within) waiting.push(frame);
  else if (client.writable) client.write(frame);
}

/** Both sides get the reason; one that does not close then is cut off. */
function close(state: Spliced, code: number, reason: string): void {
  const { client, vendor } = state;
  if (client.writable) client.end(writeClose(code, reason, false));
  if (vendor.writable) vendor.end(writeClose(code === 1002 || code === 1007 ? 1000 : code, reason, true));
  state.over = true;
  state.socket.close(state.closing === "client");
  setTimeout(() => {
    client.destroy();
    vendor.destroy();
  }, CUT_MS).unref();
}

const CUT_MS = 1_000;

function writeTo(from: Duplex, to: Duplex, bytes: Buffer): void {
  if (to.writable && !to.write(bytes)) waitFor(from, to);
}

function waitFor(from: Duplex, to: Duplex): void {
  from.pause();
  to.once("drain", () => from.resume());
}
