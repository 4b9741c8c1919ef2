import { openaiWhole } from "../calls.ts";
import { loadPackage } from "../package.ts";
import { registerProviders } from "../providers.ts";
import { createVendor } from "../vendor.ts";

/**
 * The first calls of a fresh process, answered whole, in an app with OpenTelemetry: bare, metered, and bare with the
 * floor beside, in short turns so that all three are equally young. Prints CPU microseconds per call of each.
 */
const WARM_UP = 400;
const CALLS = 2_000;
const TURN = 50;

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

const variants: readonly (() => Promise<void>)[] = [
  async () => {
    for (let i = 0; i < TURN; i++) await bare();
  },
  async () => {
    for (let i = 0; i < TURN; i++) await metered();
  },
  async () => {
    for (let i = 0; i < TURN; i++) {
      await bare();
      floor.record();
    }
  },
];

/** Spans are exported within the turn that made them. */
async function turn(variant: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await variant();
  await floor.flush();
  await new Promise(setImmediate);
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

const sums = variants.map(() => 0);
for (let done = 0; done < WARM_UP + CALLS; done += TURN) {
  for (let nth = 0; nth < variants.length; nth++) {
    const index = (nth + done / TURN) % variants.length;
    const cost = await turn(variants[index] as () => Promise<void>);
    if (done >= WARM_UP) sums[index] = (sums[index] as number) + cost;
  }
}
if (settled !== WARM_UP + CALLS) throw new Error(`${settled} of ${WARM_UP + CALLS} calls were metered`);
process.stdout.write(JSON.stringify(sums.map((sum) => sum / CALLS)), () => process.exit());
