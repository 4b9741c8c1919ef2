import { CALLERS, GATEWAY } from "../calls.ts";
import { loadPackage } from "../package.ts";
import { serveTurns } from "../turns.ts";
import { CHUNKS, createVendor } from "../vendor.ts";

/** Reads streams to their end: `streams.ts CALLER bare|metered`. */
const STREAMS = 30;

const [caller = "", how] = process.argv.slice(2);
globalThis.fetch = createVendor();
let settled = 0;
if (how === "metered") {
  const { start, onCall } = await loadPackage();
  await start({ config: { hosts: [{ host: GATEWAY, like: "api.openai.com" }] } });
  onCall(({ ending, quality }) => {
    if (ending === "completed" && quality === "reported") settled += 1;
  });
}
const open = (CALLERS[caller] as () => () => Promise<AsyncIterable<unknown>>)();

serveTurns(async () => {
  settled = 0;
  let seen = 0;
  for (let i = 0; i < STREAMS; i++) {
    for await (const _ of await open()) seen += 1;
  }
  if (seen < STREAMS * (CHUNKS - 3)) throw new Error(`only ${seen} chunks came`);
  if (how === "metered" && settled < STREAMS) throw new Error(`only ${settled} of ${STREAMS} were metered`);
});
