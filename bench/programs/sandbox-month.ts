import { readAssets } from "../../src/datadog/assets.ts";
import { simulatedClock } from "../../src/sandbox/clock.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { heapBytes } from "../heap.ts";

const AGENTS = 100;
const DAYS = 31;
/** The monitors with the shortest and the longest window. */
const WATCHED = new Set(["agent_fast_burn", "agent_daily_budget", "team_monthly_budget"]);

const clock = simulatedClock(Date.UTC(2026, 9, 1) / 1_000);
const sandbox = createSandbox({ clock, maxPoints: 250_000 });
sandbox.engine.sync(
  readAssets()
    .filter(({ name }) => WATCHED.has(name))
    .map(({ json }, index) => ({ id: index + 1, body: json })),
);

let most = 0;
const heaps: number[] = [];
for (let day = 0; day < DAYS; day += 1) {
  for (let minute = 0; minute < 1_440; minute += 1) {
    const now = clock.now();
    for (let agent = 0; agent < AGENTS; agent += 1) {
      const tags = [`agent:a${agent}`, `team:t${agent % 5}`];
      sandbox.store.write("spendfuse.cost", "count", String(agent), () => tags, now, 0.0001);
    }
    await sandbox.advance(60);
  }
  most = Math.max(most, sandbox.store.stats.held);
  if (day === 7 || day === DAYS - 1) heaps.push(await heapBytes());
}
// After the first days everything is folded that will be: from then on the heap grows only by what is kept for good.
process.stdout.write(JSON.stringify([[most, sandbox.store.stats.limit, ...heaps]]), () => process.exit());
