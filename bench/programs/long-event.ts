import { monitorEventLoopDelay } from "node:perf_hooks";
import { loadPackage } from "../package.ts";

/** Reads one event of so many MiB, as an image in a stream is: `long-event.ts bare|metered MIB`. */
const MIB = 1024 * 1024;
const CHUNK = 64 * 1024;
const [how, mib] = process.argv.slice(2);

const head = new TextEncoder().encode(
  'data: {"type":"response.completed","response":{"id":"resp_1","model":"gpt-5-mini","output":[{"type":"image_generation_call","result":"',
);
const tail = new TextEncoder().encode(
  '"}],"usage":{"input_tokens":78,"output_tokens":190,"total_tokens":268,"input_tokens_details":{"cached_tokens":0},"output_tokens_details":{"reasoning_tokens":0}}}}\n\n',
);
const image = new Uint8Array(CHUNK).fill(65);

globalThis.fetch = async () => {
  let left = Number(mib) * MIB;
  let begun = false;
  const body = new ReadableStream({
    type: "bytes",
    async pull(controller) {
      // As a socket does, chunk by chunk and each in a turn of its own.
      await new Promise(setImmediate);
      if (!begun) {
        begun = true;
        controller.enqueue(head.slice());
      } else if (left > 0) {
        left -= CHUNK;
        controller.enqueue(image.slice());
      } else if (left > Number.NEGATIVE_INFINITY) {
        left = Number.NEGATIVE_INFINITY;
        controller.enqueue(tail.slice());
      } else {
        controller.close();
        controller.byobRequest?.respond(0);
      }
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
};

let reported = 0;
if (how === "metered") {
  const { start, onCall } = await loadPackage();
  await start();
  onCall(({ usage }) => {
    if (usage?.output === 190) reported += 1;
  });
}

async function read(): Promise<void> {
  const body = JSON.stringify({ model: "gpt-5-mini", input: "draw", stream: true });
  const response = await fetch("https://api.openai.com/v1/responses", { method: "POST", body });
  for await (const _ of response.body as ReadableStream);
}

for (let i = 0; i < 3; i++) await read();
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const before = process.cpuUsage();
const memory = process.memoryUsage.rss();
let peak = memory;
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 5);
const RUNS = 5;
for (let i = 0; i < RUNS; i++) await read();
const { user, system } = process.cpuUsage(before);
clearInterval(watch);
if (how === "metered" && reported !== RUNS + 3) throw new Error(`${reported} of ${RUNS + 3} were metered`);
const cpuMs = (user + system) / 1_000 / RUNS;
process.stdout.write(JSON.stringify({ cpuMs, peakMb: (peak - memory) / MIB, blockMs: delay.max / 1e6 }), () =>
  process.exit(),
);
