import { takeMetrics } from "../../src/sandbox/intake/otlp.ts";
import { createWatch } from "../../src/sandbox/monitor/watch.ts";
import { createSeriesStore } from "../../src/sandbox/series/series.ts";
import { race } from "../race.ts";

const GROUPS = 1_000;
const MONITORS = 20;
const HISTORY_MIN = 12 * 60;
const STEP_S = 10;
const WINDOWS = ["last_5m", "last_15m", "last_1h", "last_4h", "current_1d"];

let now = Date.UTC(2026, 10, 2, 0) / 1_000;
const store = createSeriesStore({ now: () => now, isHistorical: () => false });

function tagsOf(agent: number): readonly string[] {
  return [
    `agent:agent-${agent}`,
    `root_agent:root-${agent % 50}`,
    `team:team-${agent % 9}`,
    "model:gpt-5",
    "process:host-1",
  ];
}

/** One export of a fleet: a point for each agent, as our exporter writes it. */
function exportAt(second: number): string {
  const dataPoints = Array.from({ length: GROUPS }, (_, agent) => ({
    attributes: tagsOf(agent).map((tag) => {
      const colon = tag.indexOf(":");
      return { key: tag.slice(0, colon), value: { stringValue: tag.slice(colon + 1) } };
    }),
    startTimeUnixNano: `${second - STEP_S}000000000`,
    timeUnixNano: `${second}000000000`,
    asDouble: 0.0123,
  }));
  const sum = { aggregationTemporality: 1, isMonotonic: true, dataPoints };
  return JSON.stringify({
    resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: "spendfuse.cost", unit: "USD", sum }] }] }],
  });
}

for (let minute = 0; minute < HISTORY_MIN; minute += 1) {
  for (let agent = 0; agent < GROUPS; agent += 1)
    store.write("spendfuse.cost", "count", String(agent), () => tagsOf(agent), now, 0.01);
  now += 60;
  if (minute % 10 === 0) store.compact();
}
// Half past, when every monitor is due.
now = Math.ceil(now / 1_800) * 1_800;

const watches = Array.from({ length: MONITORS }, (_, index) => {
  const query = `sum(${WINDOWS[index % WINDOWS.length]}):sum:spendfuse.cost{*} by {agent}.as_count() > 1000`;
  return createWatch(
    index,
    { type: "query alert", name: `m${index}`, query, options: { new_group_delay: 0 } },
    store,
    now,
  );
});

const due = now;
const body = exportAt(now);
let taken = 0;
export let parsed: unknown;

await race(
  [
    async () => {
      parsed = JSON.parse(body);
    },
    async () => {
      now += STEP_S;
      taken += 1;
      // Each export has its own second; writing it is not part of what is measured in either.
      const request = JSON.parse(body);
      takeMetrics(request, {}, store, () => now);
      if (taken % 60 === 0) store.compact();
    },
    async () => {
      for (const watch of watches) watch.evaluate(due);
    },
  ],
  { warmUp: 20, turns: 60 },
);
