import { afterAll, describe, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { estimateInput, inputLimit } from "../../src/meter/estimates/input.ts";
import { createKnowledge, type Knowledge, knownModel } from "../../src/meter/estimates/knowledge.ts";
import { learn } from "../../src/meter/estimates/learn.ts";
import { newReading } from "../../src/meter/wire/formats/format.ts";
import * as formats from "../../src/meter/wire/formats/registry.ts";
import { createHostLookup } from "../../src/meter/wire/hosts.ts";
import { createClassifier, factsOf } from "../../src/meter/wire/target.ts";
import { createRuntime, type Runtime } from "../../src/process/runtime.ts";
import { type Population, populationOf } from "./populations.ts";
import { type Recording, recorded, recordings, replayFetch } from "./recording.ts";

/** A process that has seen some calls of a file. */
interface Process {
  readonly runtime: Runtime;
  readonly calls: SettledCall[];
  /** The same of the limits that are held before a call. */
  readonly knowledge: Knowledge;
}

interface Row {
  readonly population: Population;
  readonly place: "first" | "later";
  readonly off: number;
  /** What is held of input before the call, over what it was. */
  readonly hold: number;
}

/** How far the visible output of an answer without usage is off. */
interface OutputRow {
  readonly kind: "text" | "calls of tools";
  readonly off: number;
}

const settings = { lookup: createHostLookup(), askUsage: false, keyOf: () => undefined };
const classifier = createClassifier(Object.values(formats), () => settings);

function startProcess(): Process {
  const runtime = createRuntime(() => {});
  const calls: SettledCall[] = [];
  runtime.listeners.add((call) => calls.push(call));
  return { runtime, calls, knowledge: createKnowledge() };
}

/** `cut`: where the answer is cut; absent for a whole one. */
async function send({ runtime, calls }: Process, recording: Recording, cut?: number): Promise<SettledCall> {
  const body = new Uint8Array(Buffer.from(recording.response).subarray(0, cut));
  const replay = cut === undefined ? { chunks: [body] } : { chunks: [body], error: new TypeError("terminated") };
  const fetch = runtime.wrapFetch(replayFetch(recording, replay));
  const response = await fetch(recording.uri, { method: "POST", body: recording.request });
  await response.text().catch(() => "");
  await runtime.flush();
  expect(calls).toHaveLength(1);
  return calls.pop() as SettledCall;
}

/** What would be held of a call's input; then the call is learned from. */
function holdOf({ knowledge }: Process, { uri, request }: Recording, whole: SettledCall): number {
  const target = classifier.find("POST", uri);
  const facts = target && factsOf(target, request);
  if (!target || !facts || !whole.usage) throw new Error(`${uri} is no call`);
  const model = knownModel(knowledge, target.format.rates, facts.model);
  const estimate = estimateInput(knowledge, model, facts);
  const hold = estimate ? inputLimit(estimate, model, facts) : 0;
  const reading = { ...newReading(undefined), responseId: whole.responseId };
  learn(knowledge, target.format.rates, facts, reading, whole.usage, whole.startedAt);
  return hold;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;

/** Calls of one file are one after the other in one process. */
const files = [...Map.groupBy(recordings, ({ id }) => id.split("#")[0] as string)];
const isUsable = ({ status, format, usage }: Recording): boolean =>
  status < 400 && format !== "openai-embeddings" && !!usage;
const isRecorded = ({ id }: Recording): boolean => !id.startsWith("made-up/");

/** A whole answer whose vendor reports nothing; undefined for streams and for answers that are mostly hidden. */
function withoutUsage(recording: Recording): Recording | undefined {
  if (recording.stream || !recording.usage) return undefined;
  const { usage: _, usageMetadata: __, ...body } = JSON.parse(recording.response) as Record<string, unknown>;
  return recording.usage.output - recording.usage.reasoning >= 50
    ? { ...recording, response: JSON.stringify(body) }
    : undefined;
}

/** In any format. */
const TOOL_CALL = /"(?:tool_calls|functionCall)":\s*[[{]|"type":\s*"(?:\w*tool_use|\w+_call)"/;

describe("calls in their order, each cut before any figure came", () => {
  const rows: Row[] = [];
  const outputs: OutputRow[] = [];

  test.each(files)("%s", async (_file, all) => {
    const process = startProcess();
    for (const [index, recording] of all.filter(isUsable).entries()) {
      const truth = (recording.usage as { input: number }).input;
      const cut = await send(process, recording, 0);
      expect(cut.quality).toBe("estimated");
      const unreported = withoutUsage(recording);
      if (unreported && isRecorded(recording)) {
        const { output, reasoning } = recording.usage as { output: number; reasoning: number };
        const { usage } = await send(process, unreported);
        const visible = (usage?.output ?? 0) - (usage?.reasoning ?? 0);
        const kind = TOOL_CALL.test(recording.response) ? "calls of tools" : "text";
        outputs.push({ kind, off: Math.abs(visible - output + reasoning) / (output - reasoning) });
      }
      const whole = await send(process, recording);
      expect(whole).toMatchObject({ quality: "reported", usage: { input: truth } });
      const hold = holdOf(process, recording, whole) / truth;
      if (!isRecorded(recording)) continue;
      const off = Math.abs((cut.usage?.input ?? 0) - truth) / truth;
      rows.push({ population: populationOf(recording), place: index === 0 ? "first" : "later", off, hold });
    }
  });

  afterAll(() => {
    for (const [kind, list] of Map.groupBy(outputs, (row) => row.kind)) {
      console.log(
        `visible output of 50 tokens and more, ${kind}: median error ${percent(median(list.map(({ off }) => off)))}, of ${list.length}`,
      );
    }
    for (const [group, list] of Map.groupBy(rows, ({ population, place }) => `${population}, ${place} calls`)) {
      const offs = list.map(({ off }) => off);
      const holds = list.map(({ hold }) => hold);
      const under = holds.filter((hold) => hold < 1).length;
      console.log(
        `input of ${group}: median error ${percent(median(offs))}; held ${median(holds).toFixed(2)} times the truth in the median, too little ${under} times, of ${list.length}`,
      );
    }
  });

  // After the calls of all files, which the rows are of.
  const text = (place: Row["place"]) =>
    rows.filter((row) => row.population === "text and functions" && row.place === place);

  test.skipIf(recorded.length === 0)("input of text and functions", () => {
    expect(median(text("later").map(({ off }) => off))).toBeLessThanOrEqual(0.04);
    expect(median(text("first").map(({ off }) => off))).toBeLessThanOrEqual(0.1);
  });

  test.skipIf(recorded.length === 0)("visible output of 50 tokens and more", () => {
    expect(median(outputs.map(({ off }) => off))).toBeLessThanOrEqual(0.09);
    expect(median(outputs.filter(({ kind }) => kind === "text").map(({ off }) => off))).toBeLessThanOrEqual(0.09);
  });

  test.skipIf(recorded.length === 0)("what is held is fair, and hardly ever too little", () => {
    const holds = [...text("first"), ...text("later")].map(({ hold }) => hold);
    expect(median(holds)).toBeLessThanOrEqual(2);
    expect(holds.filter((hold) => hold < 1).length / holds.length).toBeLessThanOrEqual(0.01);
  });
});

if (recorded.length === 0) console.log("no recordings beside the project: only made-up exchanges are estimated");
