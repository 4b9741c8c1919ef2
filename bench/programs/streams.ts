import { CALLERS, type Caller, GATEWAY } from "../calls.ts";
import { loadPackage } from "../package.ts";
import { race } from "../race.ts";
import { createVendor } from "../vendor.ts";

/** Reads streams to their end, unmetered and metered: `streams.ts CALLER CHUNKS`. Turns are short: noise comes in bursts. */
const CHUNKS_A_TURN = 800;

const createCaller = CALLERS[process.argv[2] ?? ""] as () => Caller;
const chunks = Number(process.argv[3]);
const streams = Math.max(1, CHUNKS_A_TURN / chunks);
globalThis.fetch = createVendor(chunks);
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
  for (let i = 0; i < streams; i++) {
    for await (const _ of await open()) seen += 1;
  }
  await new Promise(setImmediate);
  if (seen < streams * (chunks - 3)) throw new Error(`only ${seen} chunks came`);
}

async function readMetered(): Promise<void> {
  settled = 0;
  await read(metered);
  if (settled !== streams) throw new Error(`${settled} of ${streams} streams were metered`);
}

await race([() => read(bare), readMetered], { warmUp: 200, turns: 350 });
