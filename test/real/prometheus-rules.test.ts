import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { metricsOf } from "../../src/datadog/query/expression.ts";
import { parseMonitorQuery } from "../../src/datadog/query/monitor-query.ts";
import { labelOf } from "../../src/grafana/metric-name.ts";
import type { AlertRule } from "../../src/grafana/rules.ts";
import { writeYaml, type Yaml } from "../../src/grafana/yaml.ts";
import { PACKAGE_ROOT } from "../../src/package/root.ts";
import { readTime, type Scenario } from "../../src/sandbox/scenario.ts";
import { hasPromtool, testRules } from "../grafana/promtool.ts";
import { type Birth, scenarioTest } from "../grafana/scenario-test.ts";
import { groups, monitors } from "../grafana/translated.ts";

const folder = mkdtempSync(join(tmpdir(), "spendfuse-rules-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Where rules are meant to differ from a monitor, and why. */
const DIFFERENT: Readonly<Record<string, string>> = {};

const LONG_S = 4 * 3_600;

/** Minutes between the evaluations of a scenario: fewer where it is long. */
function stepOf({ until }: Scenario, query: string): number {
  const { window } = parseMonitorQuery(query);
  if (window.type === "current" && window.period === "month") return 60;
  return (readTime(until) ?? 0) > LONG_S ? 5 : 1;
}

function writeRules(name: string): string {
  const file = join(folder, `${name}.yml`);
  writeFileSync(file, writeYaml({ groups: [groups.get(name)] } as unknown as Yaml));
  return file;
}

describe.skipIf(!hasPromtool())("Prometheus's own evaluation", () => {
  for (const birth of ["zero", "first"] as const satisfies readonly Birth[])
    test.each([...groups.keys()])(
      `%s fires as its scenarios say, series begin with ${birth}`,
      (name) => {
        const body = monitors.find((one) => one.name === name)?.json ?? {};
        const query = String(body.query);
        const alerts = (groups.get(name)?.rules ?? []).filter((rule): rule is AlertRule => "alert" in rule);
        const { scenarios } = JSON.parse(readFileSync(join(PACKAGE_ROOT, "scenarios", `${name}.json`), "utf8")) as {
          scenarios: readonly Scenario[];
        };
        const by = (metricsOf(parseMonitorQuery(query).expression)[0]?.by ?? []).map(labelOf);
        const hasWarning = alerts.some(({ labels }) => labels.severity === "warning");
        const said = (birth === "zero" ? [1, 5, 60] : [1]).map((step) => {
          const tests = scenarios
            .filter((scenario) => DIFFERENT[`${name}: ${scenario.name}`] === undefined)
            .filter((scenario) => stepOf(scenario, query) === step)
            .map((scenario) =>
              scenarioTest(scenario, { alert: alerts[0]?.alert ?? "", by, query, hasWarning, birth, step }),
            );
          return tests.length === 0 ? "" : testRules(folder, writeRules(name), tests, `${step}m`);
        });
        expect(said.join("")).toBe("");
      },
      280_000,
    );
});
