import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import type { Recording } from "./exchange.ts";
import { MADE_UP } from "./made-up.ts";

export type { Recording, Tokens } from "./exchange.ts";

const FILE = new URL("../../../shared/recordings/model-calls.jsonl", import.meta.url);

/** Recorded from the vendors. They lie beside the project and not in it; empty where they are not there. */
export const recorded: readonly Recording[] = existsSync(FILE)
  ? readFileSync(FILE, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Recording)
  : [];

/** What is made up, and after it what was recorded. */
export const recordings: readonly Recording[] = [...MADE_UP, ...recorded];

/**
 * Whether nothing is learned from how far the estimate is off: the `rates` of the wire formats were fitted
 * on one half of what was recorded, and made-up numbers belong to no vendor.
 */
export function isFitted(recording: Recording): boolean {
  if (recording.id.startsWith("made-up/")) return true;
  return (createHash("sha1").update(recording.id).digest()[0] as number) % 2 === 0;
}

/** How a network that was recorded answers: chunks of any size, and an ending after the last of them. */
export interface Replay {
  readonly chunks: readonly Uint8Array[];
  /** Thrown after the last chunk; absent for a clean end. */
  readonly error?: Error;
  /** The body stays open after the last chunk. */
  readonly hang?: boolean;
  /** Called when the reader went away. */
  readonly onCancel?: () => void;
}

/** A network of one answer, with a native body as fetch has it. */
export function replayFetch(recording: Recording, replay: Replay): typeof fetch {
  return async (_input, init) => {
    let next = 0;
    const body = new ReadableStream({
      type: "bytes",
      pull(controller) {
        const chunk = replay.chunks[next++];
        if (chunk) controller.enqueue(new Uint8Array(chunk));
        else if (replay.error) controller.error(replay.error);
        else if (replay.hang) return abortOf(init?.signal, controller);
        else {
          controller.close();
          controller.byobRequest?.respond(0);
        }
        return undefined;
      },
      cancel: () => replay.onCancel?.(),
    });
    return new Response(body, { status: recording.status, headers: { "content-type": recording.contentType } });
  };
}

function abortOf(signal: AbortSignal | null | undefined, controller: ReadableByteStreamController): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      controller.error(signal?.reason);
      resolve();
    };
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end);
  });
}

/** Splits a body at fixed places, which fall inside frames, characters and line ends. */
export function split(body: string, size: number): Uint8Array[] {
  const bytes = Buffer.from(body);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(new Uint8Array(bytes.subarray(at, at + size)));
  return chunks;
}
