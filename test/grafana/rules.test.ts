import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readAssets } from "../../src/datadog/assets.ts";
import { metricsOf } from "../../src/datadog/query/expression.ts";
import { parseMonitorQuery } from "../../src/datadog/query/monitor-query.ts";
import { labelOf } from "../../src/grafana/metric-name.ts";
import { type AlertRule, rulesOf } from "../../src/grafana/rules.ts";
import type { Omission } from "../../src/grafana/untranslated.ts";
import { writeYaml, type Yaml } from "../../src/grafana/yaml.ts";
import { PACKAGE_ROOT } from "../../src/package/root.ts";
import type { Scenario } from "../../src/sandbox/scenario.ts";
import { hasPromtool, promtool, testRules } from "./promtool.ts";
import { type Birth, scenarioTest } from "./scenario-test.ts";

const folder = mkdtempSync(join(tmpdir(), "spendfuse-rules-"));
afterAll(() => rmSync(folder, { recursive: true }));

const monitors = readAssets().filter(({ kind }) => kind === "monitor");
const omissions: Omission[] = [];
const options = { slug: "", breaker: true, grafana: undefined, uids: new Map<string, string>() };
const groups = new Map(
  monitors.flatMap((asset) => {
    const group = rulesOf(asset, options, (omission) => omissions.push(omission));
    return group === undefined ? [] : [[asset.name, group] as const];
  }),
);

/** Where rules are meant to differ from a monitor, and why. */
const DIFFERENT: Readonly<Record<string, string>> = {};

function writeRules(name: string): string {
  const file = join(folder, `${name}.yml`);
  writeFileSync(file, writeYaml({ groups: [groups.get(name)] } as unknown as Yaml));
  return file;
}

describe.skipIf(!hasPromtool())("promtool", () => {
  test("takes all rules together", () => {
    const file = join(folder, "all.yml");
    writeFileSync(file, writeYaml({ groups: [...groups.values()] } as unknown as Yaml));
    const { code, said } = promtool("check", "rules", file);
    expect(said).toContain("SUCCESS");
    expect(code).toBe(0);
  });

  for (const birth of ["zero", "first"] as const satisfies readonly Birth[])
    test.each([...groups.keys()])(`%s fires as its scenarios say, series begin with ${birth}`, (name) => {
      const body = monitors.find((one) => one.name === name)?.json ?? {};
      const query = String(body.query);
      const alerts = (groups.get(name)?.rules ?? []).filter((rule): rule is AlertRule => "alert" in rule);
      const { scenarios } = JSON.parse(readFileSync(join(PACKAGE_ROOT, "scenarios", `${name}.json`), "utf8")) as {
        scenarios: readonly Scenario[];
      };
      const by = (metricsOf(parseMonitorQuery(query).expression)[0]?.by ?? []).map(labelOf);
      const hasWarning = alerts.some(({ labels }) => labels.severity === "warning");
      const { window } = parseMonitorQuery(query);
      const step = window.type === "current" && window.period === "month" ? 5 : 1;
      const tests = scenarios
        .filter((scenario) => DIFFERENT[`${name}: ${scenario.name}`] === undefined)
        .map((scenario) =>
          scenarioTest(scenario, { alert: alerts[0]?.alert ?? "", by, query, hasWarning, birth, step }),
        );
      expect(testRules(folder, writeRules(name), tests, `${step}m`)).toBe("");
    }, 120_000);
});
