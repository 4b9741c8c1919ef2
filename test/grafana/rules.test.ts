import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readAlertmanager } from "../../src/breaker/alertmanager/alerts.ts";
import { type AlertRule, rulesOf } from "../../src/grafana/rules.ts";
import type { Omission } from "../../src/grafana/untranslated.ts";
import { writeYaml, type Yaml } from "../../src/grafana/yaml.ts";
import { hasPromtool, promtool, testRules } from "./promtool.ts";
import { groups, omissions, options } from "./translated.ts";

const folder = mkdtempSync(join(tmpdir(), "spendfuse-rules-"));
afterAll(() => rmSync(folder, { recursive: true }));

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

  test("an alert says who spent how much of what limit, and opens that circuit", () => {
    const name = "agent_hourly_spend";
    const [critical] = (groups.get(name)?.rules ?? []).filter((rule): rule is AlertRule => "alert" in rule);
    const labels = {
      severity: "critical",
      integration: "spendfuse",
      priority: "P2",
      breaker: "on",
      agent: "researcher",
    };
    const fill = (text = ""): string =>
      text.replaceAll("{{ $labels.agent }}", "researcher").replaceAll('{{ printf "%.2f" $value }}', "30.00");
    const { summary, description, value, limit } = critical?.annotations ?? {};
    expect(fill(summary)).toBe("researcher spent $30.00 in the last hour. The limit is $20.");
    expect(limit).toBe("$20");
    const said = testRules(
      folder,
      writeRules(name),
      [
        {
          interval: "1m",
          input_series: [
            { series: 'spendfuse_cost_USD_total{agent="researcher", process="vm-0"}', values: "_x59 0 30+0x90" },
          ],
          alert_rule_test: [
            {
              eval_time: "90m",
              alertname: critical?.alert,
              exp_alerts: [
                {
                  exp_labels: labels,
                  exp_annotations: {
                    summary: fill(summary),
                    description: fill(description),
                    value: fill(value),
                    limit,
                  },
                },
              ],
            },
          ],
        },
      ],
      "1m",
    );
    expect(said).toBe("");
    const startsAt = "2026-11-02T10:00:00Z";
    const alert = { status: "firing", labels: { ...labels, alertname: critical?.alert }, annotations: {}, startsAt };
    const webhook = { version: "4", alerts: [{ ...alert, fingerprint: "a1" }] };
    const read = readAlertmanager(webhook, Date.parse(startsAt), 900_000);
    expect(read).toMatchObject({ alerts: [{ type: "change", scope: "agent:researcher", event: { type: "trip" } }] });
  });
});

test("what is not translated is named", () => {
  expect(omissions).toEqual([
    { asset: "agent_spend_anomaly", part: "new_group_delay", why: expect.stringContaining("age") },
    { asset: "agent_spend_anomaly", part: "monitor", why: expect.stringContaining("anomalies") },
  ]);
});

test.each([
  ["sum(last_1h):sum:other.metric{*}.as_count() > 1", "not a metric of spendfuse"],
  ["sum(last_1h):sum:spendfuse.cost{*} by {agent} > 1", ".as_count() is missing"],
  ["avg(last_1h):sum:spendfuse.cost{*}.as_count() > 1", "avg over the intervals of a count"],
  ["sum(last_1h):sum:spendfuse.guard.up{*} > 1", "the sum of a gauge"],
  ["max(current_1d):max:spendfuse.guard.up{*} > 1", "a growing window over a gauge"],
])("%s is not translated", (query, why) => {
  const left: Omission[] = [];
  const asset = { kind: "monitor", name: "own", file: "own.json", json: { query, message: "" } } as const;
  expect(rulesOf(asset, options, (omission) => left.push(omission))).toBeUndefined();
  expect(left[0]?.why).toContain(why);
});

test.each([
  ["{agent:a,!team:b}", 'increase(spendfuse_cost_USD_total{agent="a", team!="b"}[1h])'],
  ["{agent IN (a,b)}", 'increase(spendfuse_cost_USD_total{agent=~"a|b"}[1h])'],
  ["{agent NOT IN (a,b)}", 'increase(spendfuse_cost_USD_total{agent!~"a|b"}[1h])'],
  ["{agent:a* AND service:x}", 'increase(spendfuse_cost_USD_total{agent=~"a.*", job="x"}[1h])'],
  [
    "{agent:a OR team:b}",
    'increase(spendfuse_cost_USD_total{agent="a"}[1h]) or increase(spendfuse_cost_USD_total{team="b"}[1h])',
  ],
  ["{NOT (agent:a OR team:b)}", 'increase(spendfuse_cost_USD_total{agent!="a", team!="b"}[1h])'],
])("the filter %s becomes a selector", (filter, selector) => {
  const json = { query: `sum(last_1h):sum:spendfuse.cost${filter}.as_count() > 1`, message: "" };
  const group = rulesOf({ kind: "monitor", name: "own", file: "own.json", json }, options, () => {});
  expect(group?.rules[0]?.expr).toContain(selector);
});
