import type { ClientHttp2Stream } from "node:http2";
import type { Refusal } from "../../../limits/refusal.ts";
import { type Override, override } from "../bodies/override.ts";

type Done = (error?: Error | null) => void;

/** The flag of a frame with all headers. */
const END_HEADERS = 4;

/** What is written to a stream that has no id yet: Node lets it wait for that. */
export interface WaitingWrites {
  /** The stream gets its id. `instead`: what is sent in place of all that was written, where the caller has ended it. */
  release(instead: Buffer | undefined): void;
  /** Whether all that its caller writes, and it has ended, waits in one piece. */
  readonly isWhole: boolean;
  /** It never will: all that was and is written counts as sent. */
  swallow(): void;
}

/** A write that waits, as Node makes it. */
interface WaitingWrite {
  readonly name: "_write" | "_writev" | "_final";
  readonly original: (...args: unknown[]) => unknown;
  readonly args: readonly unknown[];
  readonly done: Done;
}

export function followWaitingWrites(stream: ClientHttp2Stream): WaitingWrites {
  /** There is at most one at a time; of a stream that its caller has ended it has all that was written. */
  let waiting: WaitingWrite | undefined;
  let isSwallowed = false;
  const overrides = (["_write", "_writev", "_final"] as const).map((name): Override => {
    const original = (stream as unknown as Record<string, (...args: unknown[]) => unknown>)[name];
    return override(stream as never, name, function (this: unknown, ...args: unknown[]): void {
      const done = args.at(-1) as Done;
      if (isSwallowed) process.nextTick(done);
      else if (original !== undefined) waiting = { name, original, args, done };
    } as never);
  });

  return {
    release(instead) {
      for (const one of overrides) one.undo();
      if (waiting !== undefined) waiting.original.apply(stream, [...argumentsOf(waiting, instead)]);
    },
    swallow() {
      isSwallowed = true;
      // Node has corked it until it has an id.
      stream.uncork();
      if (waiting !== undefined) process.nextTick(waiting.done);
    },
    get isWhole() {
      return stream.writableEnded && waiting !== undefined && waiting.name !== "_final";
    },
  };
}

function argumentsOf({ name, args, done }: WaitingWrite, instead: Buffer | undefined): readonly unknown[] {
  if (instead === undefined || name === "_final") return args;
  return name === "_write" ? [instead, "buffer", done] : [[{ chunk: instead, encoding: "buffer" }], done];
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
