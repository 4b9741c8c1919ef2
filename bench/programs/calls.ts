import { openaiWhole } from "../calls.ts";
import { loadPackage } from "../package.ts";
import { registerProviders } from "../providers.ts";
import { serveTurns } from "../turns.ts";
import { createVendor } from "../vendor.ts";

/** Makes calls that are answered whole, in an app with OpenTelemetry: `calls.ts bare|metered|floor`. */
const CALLS = 500;

const [how] = process.argv.slice(2);
const recordFloor = registerProviders();
globalThis.fetch = createVendor();
let settled = 0;
if (how === "metered") {
  const { start, onCall } = await loadPackage();
  await start();
  onCall(({ quality }) => {
    if (quality === "reported") settled += 1;
  });
}
const call = openaiWhole();

serveTurns(async () => {
  settled = 0;
  for (let i = 0; i < CALLS; i++) {
    await call();
    if (how === "floor") recordFloor();
  }
  await new Promise(setImmediate);
  if (how === "metered" && settled < CALLS) throw new Error(`only ${settled} of ${CALLS} were metered`);
});
