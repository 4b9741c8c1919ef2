import { describe, expect, test } from "vitest";
import { METRICS } from "../../src/core/names.ts";
import { readAssets } from "../../src/datadog/assets.ts";
import { metricsOf } from "../../src/datadog/query/expression.ts";
import { parseMonitorQuery } from "../../src/datadog/query/monitor-query.ts";
import { isGrouped } from "../../src/datadog/schema/monitor.ts";
import { createStage } from "./stage.ts";

const KINDS = new Map<string, string>(Object.values(METRICS).map(({ name, kind }) => [name, kind]));
/** Tags by which monitors select what is wrong. */
const WRONG = ["ending:completed", "quality:unknown", "priced:false"];

const grouped = readAssets().filter(({ kind, json }) => kind === "monitor" && isGrouped(String(json.query)));

describe("a shipped monitor with groups", () => {
  test.each(grouped.map(({ name, json }) => ({ name, json })))(
    "$name: what has no tag of them trips nothing",
    async ({ json }) => {
      const query = parseMonitorQuery(String(json.query));
      const metrics = metricsOf(query.expression);
      const by = metrics[0]?.by ?? [];
      // Far beyond the threshold, on whichever side that is.
      const value = query.comparator.startsWith("<") ? 0 : 1e6;
      const run = async (tags: readonly string[]) => {
        const stage = createStage({ webhook: { name: "spendfuse", url: "http://h/" } });
        stage.engine.sync([{ id: 7, body: json }]);
        // More than a day, because a monitor may wait that long for a new group.
        const minutes = by.includes("team") || String(json.query).includes("anomalies") ? 26 * 60 : 400;
        await stage.run(minutes, (minute) => {
          if (minute < minutes - 60 && String(json.query).includes("anomalies")) return write(stage, minute, 1, tags);
          write(stage, minute, value, tags);
        });
        expect(stage.refused).toBeUndefined();
        return { lines: stage.lines.map((line) => line.split(" ").slice(1).join(" ")), requests: stage.requests };
      };
      const write = (
        stage: ReturnType<typeof createStage>,
        minute: number,
        amount: number,
        tags: readonly string[],
      ) => {
        // Of a quotient of two metrics the other one is 1.
        for (const [index, metric] of [...new Set(metrics.map((one) => one.metric))].entries()) {
          const type = KINDS.get(metric) === "gauge" ? "gauge" : "count";
          stage.write(metric, minute, index === 0 ? amount : 1, [...WRONG, ...tags], type);
        }
      };
      expect(await run([])).toEqual({ lines: [], requests: [] });
      const group = by.map((key) => `${key}:a`);
      const named = await run(group);
      expect(named.lines).toContain(`${group.join(",")} Triggered`);
    },
  );
});
