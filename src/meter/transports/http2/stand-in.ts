import type { ClientHttp2Stream } from "node:http2";
import type { Refusal } from "../../../limits/refusal.ts";
import { override } from "../bodies/override.ts";

type Method = (...args: never[]) => unknown;
type Done = (error?: Error | null) => void;

/** The flag of a frame with all headers. */
const END_HEADERS = 4;

/** Answers a stream of which nothing was sent, and nothing will be: it never gets an id, and its session stays open. */
export function answerInstead(stream: ClientHttp2Stream, { status, headers, body }: Refusal): void {
  override(stream as never, "_write", ((_chunk: unknown, _encoding: unknown, done: Done) => done()) as Method);
  override(stream as never, "_writev", ((_chunks: unknown, done: Done) => done()) as Method);
  override(stream as never, "_final", ((done: Done) => done()) as Method);
  // Node has corked it until it has an id.
  stream.uncork();
  // The caller may still add its listeners; no server answers before.
  setImmediate(() => {
    if (stream.destroyed) return;
    const bytes = Buffer.from(body);
    const head = { ":status": status, ...headers, "content-length": String(bytes.length) };
    stream.emit("response", head, END_HEADERS, Object.entries(head).flat().map(String));
    // Node destroys a stream that has ended.
    stream.once("end", () => void stream.destroy());
    stream.push(bytes);
    stream.push(null);
  });
}
