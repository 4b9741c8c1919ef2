import { afterAll, describe, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { createRuntime, type Runtime } from "../../src/process/runtime.ts";
import { populationOf } from "./populations.ts";
import { type Recording, recorded, recordings, replayFetch } from "./recording.ts";

/** A process that has seen some of a conversation. */
interface Process {
  readonly runtime: Runtime;
  readonly calls: SettledCall[];
}

function startProcess(): Process {
  const runtime = createRuntime(() => {});
  const calls: SettledCall[] = [];
  runtime.listeners.add((call) => calls.push(call));
  return { runtime, calls };
}

async function send({ runtime, calls }: Process, recording: Recording, cuts: boolean): Promise<SettledCall> {
  const body = new Uint8Array(Buffer.from(recording.response));
  const replay = cuts ? { chunks: [], error: new TypeError("terminated") } : { chunks: [body] };
  const fetch = runtime.wrapFetch(replayFetch(recording, replay));
  const response = await fetch(recording.uri, { method: "POST", body: recording.request });
  await response.text().catch(() => "");
  await runtime.flush();
  return calls.pop() as SettledCall;
}

interface Row {
  readonly population: string;
  readonly isLater: boolean;
  readonly off: number;
}

const rows: Row[] = [];

/** Calls of one file are one after the other in one process. */
const files = [...Map.groupBy(recordings, ({ id }) => id.slice(0, id.lastIndexOf(id.includes("#") ? "#" : "/")))];
const usable = ({ status, format }: Recording): boolean => status < 400 && format !== "openai-embeddings";

describe("calls in their order, each cut before any figure came", () => {
  test.each(files)("%s", async (_file, all) => {
    const process = startProcess();
    const seen: Recording[] = [];
    for (const recording of all.filter(usable)) {
      if (recording.usage) {
        const call = await send(process, recording, true);
        expect(call.quality).toBe("estimated");
        rows.push({
          population: populationOf(recording),
          isLater: seen.length > 0,
          off: Math.abs((call.usage?.input ?? 0) - recording.usage.input) / recording.usage.input,
        });
      }
      await send(process, recording, false);
      seen.push(recording);
    }
  });

  afterAll(() => {
    if (recorded.length === 0) console.log("no recordings beside the project: only made-up exchanges were estimated");
    for (const [group, list] of Map.groupBy(rows, (row) => `${row.population}, ${row.isLater ? "later" : "first"}`)) {
      console.log(`input of ${group} calls: median error ${percent(list, 0.5)}, p90 ${percent(list, 0.9)}, ${list.length}`);
    }
  });
});
