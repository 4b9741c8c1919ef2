import { openaiWhole } from "../calls.ts";
import { loadPackage } from "../package.ts";
import { race } from "../race.ts";
import { createVendor } from "../vendor.ts";

/** Makes calls that are answered by a vendor in the process, and calls that the guard refuses. */
const CALLS = 200;

globalThis.fetch = createVendor();
const bare = openaiWhole();
const { start, isBlocked } = await loadPackage();
await start({ telemetry: false, config: { budgets: [{ per: "hour", calls: 0 }] } });
const refused = openaiWhole();

async function callBare(): Promise<void> {
  for (let i = 0; i < CALLS; i++) await bare();
}

async function callRefused(): Promise<void> {
  for (let i = 0; i < CALLS; i++) {
    const error = await refused().catch((raised: unknown) => raised);
    if (isBlocked(error)?.limit !== 0) throw new Error(`a call was not refused: ${error}`);
  }
}

await race([callBare, callRefused], { warmUp: 30, turns: 60 });
