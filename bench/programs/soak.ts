import { type Caller, fetchCaller, openaiCaller, openaiWhole } from "../calls.ts";
import { heapBytes } from "../heap.ts";
import { loadPackage } from "../package.ts";
import { createVendor } from "../vendor.ts";

/** Prints the bytes by which the heap grew after the first fifth of the calls: `soak.ts CALLS`. */
const AGENTS = 50;
const CHUNKS = 8;

const calls = Number(process.argv[2]);
globalThis.fetch = createVendor(CHUNKS);
const { start, scope, onCall } = await loadPackage();
await start();
let settled = 0;
onCall(() => {
  settled += 1;
});

const sdk = openaiCaller("https://api.openai.com/v1", true);
const bare = fetchCaller();
const whole = openaiWhole();
const KINDS: readonly (() => Promise<unknown>)[] = [
  whole,
  whole,
  () => read(sdk),
  () => read(bare),
  () => leave(sdk),
  () => leave(bare),
  bare,
];

async function read(caller: Caller): Promise<void> {
  for await (const _ of await caller());
}

async function leave(caller: Caller): Promise<void> {
  for await (const _ of await caller()) break;
}

async function make(from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    const kind = KINDS[i % KINDS.length] as () => Promise<unknown>;
    await scope({ agent: `agent-${i % AGENTS}`, team: "bench", run: `run-${i}` }, kind);
    // Finalizers of responses that were never read run between turns of the event loop.
    if (i % 100 === 0) await new Promise(setImmediate);
  }
}

const warm = Math.ceil(calls / 5);
await make(0, warm);
const before = await heapBytes();
await make(warm, calls);
const after = await heapBytes();
if (settled !== calls) throw new Error(`${settled} of ${calls} calls settled`);
process.stdout.write(String(after - before));
