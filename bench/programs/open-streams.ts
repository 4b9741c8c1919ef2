import { openaiCaller } from "../calls.ts";
import { heapBytes } from "../heap.ts";
import { loadPackage } from "../package.ts";
import { createVendor } from "../vendor.ts";

/** Prints the bytes that one open, half-read stream holds: `open-streams.ts bare|metered`. */
const STREAMS = 5_000;
const HALF = 40;

globalThis.fetch = createVendor();
if (process.argv[2] === "metered") await (await loadPackage()).start();
const open = openaiCaller("https://api.openai.com/v1", true);

async function readHalf(): Promise<AsyncIterator<unknown>> {
  const iterator = (await open())[Symbol.asyncIterator]();
  for (let i = 0; i < HALF; i++) await iterator.next();
  return iterator;
}

for (let i = 0; i < 50; i++) await (await readHalf()).return?.();
const before = await heapBytes();
const held: AsyncIterator<unknown>[] = [];
for (let i = 0; i < STREAMS; i++) held.push(await readHalf());
const after = await heapBytes();
process.stdout.write(String((after - before) / held.length));
