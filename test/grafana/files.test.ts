import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { command } from "../../src/cli/commands/deploy.ts";
import { METRICS } from "../../src/core/names.ts";
import { readAssets } from "../../src/datadog/assets.ts";
import { widgetsOf } from "../../src/datadog/widgets.ts";
import { prometheusName } from "../../src/grafana/metric-name.ts";
import { faultsOf } from "./dashboard-schema.ts";
import { hasPromtool, testRules } from "./promtool.ts";

const folder = mkdtempSync(join(tmpdir(), "spendfuse-grafana-"));
afterAll(() => rmSync(folder, { recursive: true }));

let said = "";
async function run(...args: string[]): Promise<number> {
  said = "";
  const take = (text: unknown): void => {
    said += `${text}\n`;
  };
  const spies = [
    vi.spyOn(console, "log").mockImplementation(take),
    vi.spyOn(console, "error").mockImplementation(take),
  ];
  const code = await command.run(args);
  for (const spy of spies) spy.mockRestore();
  return code;
}

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

function dashboards(place: string): readonly (readonly [string, Dashboard])[] {
  const files = readdirSync(join(place, "dashboards"));
  return files.map((file) => [file, JSON.parse(readFileSync(join(place, "dashboards", file), "utf8")) as Dashboard]);
}

describe("spendfuse deploy --to grafana", () => {
  test("writes each dashboard in Grafana's model, and names what it leaves out", async () => {
    const place = join(folder, "all");
    expect(await run("--to", "grafana", place, "--json")).toBe(0);
    const { files, omissions } = JSON.parse(said) as {
      readonly files: readonly string[];
      readonly omissions: readonly { readonly asset: string; readonly part: string }[];
    };
    // One is about a product of Datadog's.
    const boards = readAssets().filter(({ kind, name }) => kind === "dashboard" && name !== "cloud_cost");
    expect(omissions).toContainEqual(expect.objectContaining({ asset: "cloud_cost", part: "dashboard" }));
    expect(files).toHaveLength(boards.length + 1);
    for (const [file, dashboard] of dashboards(place)) {
      expect(faultsOf(dashboard), file).toEqual([]);
      expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
      for (const { gridPos } of dashboard.panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (const one of dashboard.panels)
        for (const other of dashboard.panels)
          if (one !== other) expect(overlap(one.gridPos, other.gridPos), `${one.title}, ${other.title}`).toBe(false);
    }
    // Each widget is a panel, or is named.
    for (const { name, json } of boards) {
      const made = dashboards(place).find(([file]) => file.includes(name.replaceAll("_", "-")))?.[1];
      const titles = made?.panels.map(({ title }) => title) ?? [];
      const lost = widgetsOf(json).filter(({ definition }) => {
        const title = String(definition.title ?? "");
        return !titles.includes(title) && !omissions.some(({ asset, part }) => asset === name && part === title);
      });
      expect(lost.map(({ path }) => path)).toEqual([]);
    }
  });

  test("queries only metrics that a Collector gives", () => {
    const known = new Set(Object.values(METRICS).map((metric) => prometheusName(metric)));
    for (const [, { panels }] of dashboards(join(folder, "all")))
      for (const { targets = [] } of panels)
        for (const { expr } of targets)
          for (const [name] of expr.matchAll(/spendfuse_\w+/g)) expect(known, expr).toContain(name);
  });

  test.skipIf(!hasPromtool())("writes expressions that Prometheus reads", () => {
    const exprs = dashboards(join(folder, "all")).flatMap(([, { panels }]) =>
      panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    );
    expect(exprs.length).toBeGreaterThan(60);
    const promql_expr_test = exprs.map((expr) => {
      const filled = expr.replace(/\$__(?:range|interval)/g, "1h").replace(/"\$\w+"/g, '".*"');
      return { expr: `count(${filled}) * 0 or vector(0)`, eval_time: "1h", exp_samples: [{ labels: "{}", value: 0 }] };
    });
    const input_series = Object.values(METRICS).map((metric) => {
      return { series: `${prometheusName(metric)}{agent="a", team="t", model="m"}`, values: "0+1x60" };
    });
    const rules = join(folder, "all", "rules", "spendfuse.yml");
    expect(testRules(folder, rules, [{ interval: "1m", input_series, promql_expr_test }], "10m")).toBe("");
  });

  test("--set, --prefix, --no-webhook and --grafana-url", async () => {
    const place = join(folder, "set");
    const args = [
      "--set",
      "agent_hourly_usd=50",
      "--prefix",
      "Staging ",
      "--only",
      "agent_hourly_spend",
      "--only",
      "agent_spend",
    ];
    expect(await run("--to", "grafana", place, ...args, "--grafana-url", "https://grafana.example.com/")).toBe(0);
    const rules = readFileSync(join(place, "rules", "spendfuse-staging.yml"), "utf8");
    expect(rules).toContain("spendfuse:staging_agent_hourly_spend > 50 or");
    expect(rules).toContain("The limit is $50.");
    expect(rules).toContain('limit: "$37.50"');
    expect(rules).toContain('breaker: "on"');
    expect(rules).toContain(
      "https://grafana.example.com/d/spendfuse-staging-agent-spend?var-agent={{ $labels.agent | urlquery }}",
    );
    expect(rules).not.toMatch(/Datadog|@oncall|@webhook/);
    expect(existsSync(join(place, "dashboards", "spendfuse-staging-agent-spend.json"))).toBe(true);
    expect(await run("--to", "grafana", place, ...args, "--no-webhook")).toBe(0);
    expect(readFileSync(join(place, "rules", "spendfuse-staging.yml"), "utf8")).not.toContain("breaker:");
  });

  test.each([
    [["--to", "grafana"], "needs a folder"],
    [["--to", "grafana", "a", "b"], 'unexpected argument "b"'],
    [["--to", "other", "a"], "use --to grafana DIR, or leave --to out for Datadog"],
    [["a"], 'unexpected argument "a"'],
    [["--to", "grafana", "a", "--plan"], "--plan is for Datadog"],
    [["--to", "grafana", "a", "--filter", "env:prod"], "--filter is for Datadog"],
    [["--to", "grafana", "a", "--grafana-url", "grafana"], "must be an address"],
  ])("%j is invalid usage", async (args, message) => {
    expect(await run(...args)).toBe(2);
    expect(said).toContain(message);
  });
});

type Grid = Dashboard["panels"][number]["gridPos"];

function overlap(a: Grid, b: Grid): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}
