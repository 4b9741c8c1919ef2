import { CALLERS, type Caller, GATEWAY } from "../calls.ts";
import { loadPackage } from "../package.ts";
import { race } from "../race.ts";
import { CHUNKS, createVendor } from "../vendor.ts";

/** Reads streams to their end, unmetered and metered: `streams.ts CALLER`. Turns are short, as noise comes in bursts. */
const STREAMS = 4;

const createCaller = CALLERS[process.argv[2] ?? ""] as () => Caller;
globalThis.fetch = createVendor();
const bare = createCaller();
const { start, onCall } = await loadPackage();
await start({ config: { hosts: [{ host: GATEWAY, like: "api.openai.com" }] } });
const metered = createCaller();
let settled = 0;
onCall(({ ending, quality }) => {
  if (ending === "completed" && quality === "reported") settled += 1;
});

async function read(open: Caller): Promise<void> {
  let seen = 0;
  for (let i = 0; i < STREAMS; i++) {
    for await (const _ of await open()) seen += 1;
  }
  await new Promise(setImmediate);
  if (seen < STREAMS * (CHUNKS - 3)) throw new Error(`only ${seen} chunks came`);
}

async function readMetered(): Promise<void> {
  settled = 0;
  await read(metered);
  if (settled !== STREAMS) throw new Error(`${settled} of ${STREAMS} streams were metered`);
}

await race([() => read(bare), readMetered], { warmUp: 200, turns: 350 });
