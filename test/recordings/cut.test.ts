import { afterAll, describe, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { createRuntime } from "../../src/process/runtime.ts";
import { isFitted, type Recording, type Replay, recordings, replayFetch } from "./recording.ts";
import { readFrames } from "./visible.ts";

type Fetch = (init?: RequestInit) => Promise<Response>;

/** A way to end a stream early: how the network behaves, and what the caller does when its one chunk has come. */
interface Way {
  readonly ending: "canceled" | "failed";
  readonly replay: Omit<Replay, "chunks">;
  /** A frame that comes after the cut. */
  readonly after?: string;
  run(fetch: Fetch): Promise<unknown>;
}

const signal = (reason: "abort" | "timeout") => {
  const controller = new AbortController();
  const error = reason === "abort" ? undefined : new DOMException("The operation timed out", "TimeoutError");
  return { signal: controller.signal, abort: () => controller.abort(error) };
};

async function readAll(response: Response): Promise<void> {
  for await (const _ of response.body as ReadableStream<Uint8Array>);
}

async function readOne(response: Response, then: () => unknown): Promise<unknown> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  const rest = reader.read();
  await then();
  return rest.catch((error: unknown) => error);
}

/** As OpenAI, Anthropic and Google write it, in one. */
const ERROR = `\n\nevent: error\ndata: ${JSON.stringify({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } })}\n\n`;

const WAYS: Record<string, Way> = {
  break: {
    ending: "canceled",
    replay: { hang: true },
    async run(fetch) {
      for await (const _ of (await fetch()).body as ReadableStream<Uint8Array>) break;
    },
  },
  cancel: {
    ending: "canceled",
    replay: { hang: true },
    async run(fetch) {
      const reader = ((await fetch()).body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      await reader.cancel();
    },
  },
  abort: {
    ending: "canceled",
    replay: { hang: true },
    async run(fetch) {
      const { signal: aborted, abort } = signal("abort");
      await readOne(await fetch({ signal: aborted }), abort);
    },
  },
  timeout: {
    ending: "canceled",
    replay: { hang: true },
    async run(fetch) {
      const { signal: aborted, abort } = signal("timeout");
      await readOne(await fetch({ signal: aborted }), abort);
    },
  },
  "flush while open": {
    ending: "canceled",
    replay: { hang: true },
    async run(fetch) {
      await ((await fetch()).body as ReadableStream<Uint8Array>).getReader().read();
    },
  },
  "never read": { ending: "canceled", replay: { hang: true }, run: (fetch) => fetch() },
  "error event": { ending: "failed", replay: {}, after: ERROR, run: async (fetch) => readAll(await fetch()) },
  "socket cut": {
    ending: "failed",
    replay: { error: new TypeError("terminated") },
    run: async (fetch) => readAll(await fetch()).catch((error: unknown) => error),
  },
  "clean cut": { ending: "failed", replay: {}, run: async (fetch) => readAll(await fetch()) },
};

const SDK = { "x-stainless-lang": "js" };
const POINTS = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1) > 1 ? [0, 0.25, 0.5, 0.75, 1] : [0, 0.5, 1];

interface Errors {
  readonly input: number[];
  readonly visible: number[];
  readonly reasoning: number[];
}

/** The frames that have passed at each of five cuts; the last is just before the usage. */
function cuts(recording: Recording): { readonly passed: number; readonly bytes: number }[] {
  const frames = readFrames(recording);
  const report = frames.findLastIndex((frame) => frame.output !== undefined);
  const last = (report < 0 ? frames.length : report) - 1;
  return POINTS.map((point) => {
    const passed = Math.max(1, Math.round(point * last) + 1);
    const bytes = (frames[passed - 1] as { end: number }).end;
    // Halfway through the next frame: what has come of it does not count.
    const next = frames[passed]?.end ?? bytes;
    return { passed, bytes: point === 1 ? bytes : bytes + Math.floor((next - bytes) / 2) };
  });
}

const streams = recordings.filter((recording) => recording.stream && recording.usage);

describe("recorded streams, cut", () => {
  const errors: Errors = { input: [], visible: [], reasoning: [] };
  let right = 0;
  let made = 0;

  for (const [name, way] of Object.entries(WAYS)) {
    test.each(streams)(`${name}: $id`, async (recording) => {
      const frames = readFrames(recording);
      const usage = recording.usage as NonNullable<Recording["usage"]>;
      const all = frames.reduce((sum, frame) => sum + frame.visible, 0);
      for (const headers of [{}, SDK]) {
        for (const { passed, bytes } of cuts(recording)) {
          made += 1;
          const runtime = createRuntime(() => {});
          const calls: SettledCall[] = [];
          runtime.listeners.add((call) => calls.push(call));
          const cut = Buffer.from(recording.response).subarray(0, bytes);
          const body = new Uint8Array(Buffer.concat([cut, Buffer.from(way.after ?? "")]));
          const fetch = runtime.wrapFetch(replayFetch(recording, { chunks: [body], ...way.replay }));
          await way.run((init) => fetch(recording.uri, { method: "POST", headers, body: recording.request, ...init }));
          await runtime.flush();
          expect(calls).toHaveLength(1);
          const [call] = calls as [SettledCall];
          const seen = name === "never read" ? [] : frames.slice(0, passed);
          const reported = seen.findLast((frame) => frame.output !== undefined);
          const finished = seen.some((frame) => frame.done);
          expect(call.ending).toBe(name === "clean cut" && finished ? "completed" : way.ending);
          const since = seen.slice(reported ? seen.indexOf(reported) + 1 : 0).some((frame) => frame.visible > 0);
          expect(call.quality).toBe(reported && !since ? "reported" : "estimated");
          const input = seen.findLast((frame) => frame.input !== undefined)?.input;
          if (input !== undefined) expect(call.usage?.input).toBe(input);
          right += 1;
          if (isFitted(recording) || headers !== SDK || name !== "break" || !call.usage) continue;
          if (input === undefined) errors.input.push(off(call.usage.input, usage.input));
          const share = all === 0 ? 0 : seen.reduce((sum, frame) => sum + frame.visible, 0) / all;
          const truth = (usage.output - usage.reasoning) * share;
          if (truth >= 1 && call.quality === "estimated") {
            errors.visible.push(off(call.usage.output - call.usage.reasoning, truth));
          }
          if (usage.reasoning > 0 && call.quality === "estimated") {
            errors.reasoning.push(off(call.usage.reasoning, usage.reasoning));
          }
        }
      }
    });
  }

  afterAll(() => {
    console.log(`recorded streams: ${streams.length}, cuts right: ${right} of ${made}`);
    for (const [kind, list] of Object.entries(errors)) {
      const sorted = [...(list as number[])].sort((a, b) => a - b);
      const at = (p: number) => `${Math.round(100 * (sorted[Math.floor(p * (sorted.length - 1))] ?? 0))} %`;
      const note = kind === "reasoning" ? " (hidden until reported; no bound is claimed)" : "";
      console.log(`estimate of ${kind}: median error ${at(0.5)}, p95 ${at(0.95)}, ${sorted.length} cuts${note}`);
    }
  });
});

function off(estimate: number, truth: number): number {
  return Math.abs(estimate - truth) / truth;
}
