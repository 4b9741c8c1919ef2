import { openaiWhole } from "../calls.ts";
import { loadPackage } from "../package.ts";
import { registerProviders } from "../providers.ts";
import { race } from "../race.ts";
import { createVendor } from "../vendor.ts";

/** Makes calls that are answered whole, in an app with OpenTelemetry: bare, metered, and bare with the floor beside. */
const CALLS = 200;

const floor = registerProviders();
globalThis.fetch = createVendor();
const bare = openaiWhole();
const { start, onCall } = await loadPackage();
await start();
const metered = openaiWhole();
let settled = 0;
onCall(({ quality }) => {
  if (quality === "reported") settled += 1;
});

async function callBare(): Promise<void> {
  for (let i = 0; i < CALLS; i++) await bare();
  await floor.flush();
  await new Promise(setImmediate);
}

async function callMetered(): Promise<void> {
  settled = 0;
  for (let i = 0; i < CALLS; i++) await metered();
  await floor.flush();
  await new Promise(setImmediate);
  if (settled !== CALLS) throw new Error(`${settled} of ${CALLS} calls were metered`);
}

async function callWithFloor(): Promise<void> {
  for (let i = 0; i < CALLS; i++) {
    await bare();
    floor.record();
  }
  await floor.flush();
  await new Promise(setImmediate);
}

await race([callBare, callMetered, callWithFloor], { warmUp: 60, turns: 100 });
