import type { Socket } from "node:net";
import type { Refusal } from "../../../limits/refusal.ts";
import { override } from "../bodies/override.ts";
import type { Outgoing } from "./head.ts";

type Method = (...args: unknown[]) => unknown;

/**
 * Answers a request of which nothing was sent, and nothing will be: Node's own parser reads the refusal as if it had
 * come from the socket. So the answer is a real one, and the socket, unused, goes back to its agent.
 */
export function answerInstead(message: Outgoing, refusal: Refusal): void {
  const queued = message.outputData;
  message.outputData = [];
  message.outputSize = 0;
  swallowWrites(message);
  for (const { callback } of queued) if (typeof callback === "function") process.nextTick(callback);
  const answer = render(refusal);
  const give = (): void => {
    const { socket } = message;
    if (socket === null || socket.destroyed) return;
    socket.emit("data", answer);
    keepNothing(message, socket);
  };
  // The caller may still add its listeners; no server answers before.
  if (message.socket === null) message.once("socket", () => setImmediate(give));
  else setImmediate(give);
}

/**
 * Lets the process end though nobody reads the answer: the server, which was asked nothing, does not end the connection.
 * Once the answer is read, the socket is as any other, and goes to another request.
 */
function keepNothing(message: Outgoing, socket: Socket): void {
  const { emit } = message;
  const seen = override(message as never, "emit", function (
    this: Outgoing,
    name: unknown,
    ...args: unknown[]
  ): unknown {
    if (name === "close") {
      socket.ref();
      seen.undo();
    }
    return emit.call(this, name, ...args);
  } as Method);
  socket.unref();
}

function swallowWrites(message: Outgoing): void {
  override(message as never, "_writeRaw", ((_data, encoding, callback): boolean => {
    const done = typeof encoding === "function" ? encoding : callback;
    if (typeof done === "function") process.nextTick(done as () => void);
    return true;
  }) as Method);
  const nothing = (): void => {};
  override(message as never, "_flush", nothing as Method);
  override(message as never, "_finish", nothing as Method);
}

function render({ status, statusText, headers, body }: Refusal): Buffer {
  const bytes = Buffer.from(body);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${status} ${statusText}\r\n${lines.join("")}content-length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), bytes]);
}
