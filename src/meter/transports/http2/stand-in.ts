import type { ClientHttp2Stream } from "node:http2";
import type { Refusal } from "../../../limits/refusal.ts";
import { type Override, override } from "../bodies/override.ts";

type Done = (error?: Error | null) => void;

/** The flag of a frame with all headers. */
const END_HEADERS = 4;

/** What is written to a stream that has no id yet: Node lets it wait for that. */
export interface WaitingWrites {
  /** The stream gets its id. */
  release(): void;
  /** It never will: all that was and is written counts as sent. */
  swallow(): void;
}

export function followWaitingWrites(stream: ClientHttp2Stream): WaitingWrites {
  /** There is at most one at a time. */
  let waiting: Done | undefined;
  let isSwallowed = false;
  const overrides = (["_write", "_writev", "_final"] as const).map((name): Override => {
    const original = (stream as unknown as Record<string, (...args: unknown[]) => unknown>)[name];
    return override(stream as never, name, function (this: unknown, ...args: unknown[]): unknown {
      const done = args.at(-1) as Done;
      if (isSwallowed) return process.nextTick(done);
      waiting = done;
      return original?.apply(this, args);
    } as never);
  });

  return {
    release() {
      for (const one of overrides) one.undo();
    },
    swallow() {
      isSwallowed = true;
      // Node has corked it until it has an id.
      stream.uncork();
      if (waiting !== undefined) process.nextTick(waiting);
    },
  };
}

/** Answers a stream of which nothing was sent, and nothing will be: it never gets an id, and its session stays open. */
export function answerInstead(stream: ClientHttp2Stream, { status, headers, body }: Refusal): void {
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
