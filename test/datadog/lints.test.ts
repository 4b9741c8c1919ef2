import { existsSync } from "node:fs";
import { join } from "node:path";
import { v1 } from "@datadog/datadog-api-client";
import { describe, expect, test } from "vitest";
import { type Asset, readAssets } from "../../src/datadog/assets.ts";
import { LINTS, lintAsset, lintAssets } from "../../src/datadog/lint.ts";
import { KEYS } from "../../src/datadog/lints/misspelt-keys/tables.ts";
import { checkTypes } from "../../src/datadog/typed.ts";
import { PACKAGE_ROOT } from "../../src/package/root.ts";

const ASSETS = readAssets();
const MONITOR = ASSETS.find(({ name }) => name === "agent_hourly_spend") as Asset;
const DASHBOARD = ASSETS.find(({ name }) => name === "agent_spend") as Asset;

// biome-ignore lint/suspicious/noExplicitAny: examples break what the types say
type Break = (json: any) => void;

function broken(asset: Asset, change: Break): Asset {
  const json = structuredClone(asset.json);
  change(json);
  return { ...asset, json };
}

const monitor = (change: Break): Asset => broken(MONITOR, change);
const dashboard = (change: Break): Asset => broken(DASHBOARD, change);
/** The first query value of the overview. */
const first = (json: ReturnType<typeof JSON.parse>) => json.widgets[1].definition.widgets[0].definition;

/** What each lint must find, and nothing else need find. */
const EXAMPLES: Readonly<Record<string, readonly (readonly [what: string, asset: Asset, message: RegExp])[]>> = {
  "query-grammar": [
    [
      "a number without its zero",
      monitor((m) => (m.query = m.query.replace("20", ".5"))),
      /threshold must be a number/,
    ],
    ["braces that stay open", monitor((m) => (m.query = m.query.replace("}", ""))), /not expected here in the filter/],
    ["a window that is none", monitor((m) => (m.query = m.query.replace("last_1h", "last_1y"))), /no window/],
    ["as_count with avg", monitor((m) => (m.query = m.query.replace("sum(", "avg("))), /only goes with sum/],
    ["an unknown function", dashboard((d) => (first(d).requests[0].formulas[0].formula = "cumsm(a)")), /cumsm\(\)/],
    [
      "a formula that ends early",
      dashboard((d) => (first(d).requests[0].formulas[0].formula = "a +")),
      /query is missing/,
    ],
  ],
  "emitted-names": [
    [
      "a metric that is never emitted",
      monitor((m) => (m.query = m.query.replace("spendfuse.cost", "spendfuse.costs"))),
      /spendfuse\.costs/,
    ],
    [
      "a tag that the metric lacks",
      monitor((m) => (m.query = m.query.replaceAll("{*}", "{ending:failed}"))),
      /no tag ending/,
    ],
    [
      "a variable of a tag that is never emitted",
      dashboard((d) => (d.template_variables[0].prefix = "agnet")),
      /agnet/,
    ],
    [
      "a message of another group",
      monitor((m) => (m.message += "{{#is_alert}}{{team.name}}{{/is_alert}}")),
      /team\.name/,
    ],
  ],
  "template-variables": [
    ["one that is not declared", dashboard((d) => d.template_variables.shift()), /\$agent is not declared/],
    [
      "one that is never used",
      dashboard((d) => d.template_variables.push({ name: "cloud", prefix: "cloud", defaults: ["*"] })),
      /\$cloud is used by no query/,
    ],
    [
      "a query that leaves one out",
      dashboard((d) => (first(d).requests[0].queries[0].query = "sum:spendfuse.cost{$agent}.as_count()")),
      /add \$team/,
    ],
  ],
  "formula-references": [
    [
      "a query that there is not",
      dashboard((d) => (first(d).requests[0].formulas[0].formula = "b")),
      /no query named b/,
    ],
    ["no alias", dashboard((d) => delete first(d).requests[0].formulas[0].alias), /no alias/],
    [
      "a query that is never used",
      dashboard((d) => first(d).requests[0].queries.push({ ...first(d).requests[0].queries[0], name: "z" })),
      /query z/,
    ],
    [
      "two of a name",
      dashboard((d) => first(d).requests[0].queries.push(first(d).requests[0].queries[0])),
      /two queries/,
    ],
  ],
  "threshold-match": [
    ["another number in the query", monitor((m) => (m.query = m.query.replace("> 20", "> 25"))), /query has 25/],
    ["no critical", monitor((m) => delete m.options.thresholds.critical), /critical is missing/],
    ["a warning behind it", monitor((m) => (m.options.thresholds.warning = 21)), /before the critical/],
    [
      "another number in the message",
      monitor((m) => (m.message = m.message.replaceAll("$20", "$30"))),
      /does not say \$20/,
    ],
  ],
  "recovery-order": [
    ["above its threshold", monitor((m) => (m.options.thresholds.critical_recovery = 21)), /must be below/],
    ["equal to it", monitor((m) => (m.options.thresholds.warning_recovery = 15)), /must be below/],
    ["of nothing", monitor((m) => delete m.options.thresholds.warning), /that there is not/],
    [
      "below it in an alert below",
      monitor((m) => {
        m.query = m.query.replace(">", "<");
        m.options.thresholds.critical_recovery = 19;
      }),
      /must be above/,
    ],
  ],
  "grid-overlap": [
    ["two in one place", dashboard((d) => (d.widgets[1].layout.x = 2)), /lies over/],
    ["beyond the last column", dashboard((d) => (d.widgets[1].layout.x = 6)), /column 14/],
    ["no place", dashboard((d) => delete d.widgets[0].layout), /no layout/],
    ["inside of a group", dashboard((d) => (d.widgets[1].definition.widgets[1].layout.x = 1)), /lies over/],
    ["a negative place", dashboard((d) => (d.widgets[0].layout.y = -1)), /negative/],
    ["a place where there is none", dashboard((d) => (d.reflow_type = "auto")), /must not be there/],
  ],
  "message-handles": [
    ["outside of a block", monitor((m) => (m.message += "@slack-all ")), /every transition/],
    [
      "a webhook in a warning",
      monitor((m) => (m.message += "{{#is_warning}}@webhook-x {{/is_warning}}")),
      /belongs in/,
    ],
    ["no space after it", monitor((m) => (m.message += "{{#is_alert}}@slack-x{{/is_alert}}")), /needs a space/],
    ["a block that never ends", monitor((m) => (m.message += "{{#is_alert}}")), /never ended/],
    ["an end without a block", monitor((m) => (m.message += "{{/is_alert}}")), /never began/],
    [
      "blocks that cross",
      monitor((m) => (m.message += "{{#is_alert}}{{#is_renotify}}{{/is_alert}}{{/is_renotify}}")),
      /was expected/,
    ],
    ["a brace too few", monitor((m) => (m.message += "{{value}")), /do not pair/],
  ],
  "misspelt-keys": [
    ["in a monitor", monitor((m) => (m.mesage = "x")), /"message"\?/],
    ["in its options", monitor((m) => (m.options.new_group_dellay = 0)), /"new_group_delay"\?/],
    [
      "in a window",
      monitor((m) => (m.options.scheduling_options = { evaluation_window: { day_start: "00:00" } })),
      /"day_starts"\?/,
    ],
    ["in a widget", dashboard((d) => (first(d).titel = "x")), /"title"\?/],
    ["in a formula", dashboard((d) => (first(d).requests[0].formulas[0].numberformat = {})), /"number_format"\?/],
  ],
  "monitor-options": [
    ["no new_group_delay", monitor((m) => delete m.options.new_group_delay), /60 s/],
    ["a delay where an agent is stopped", monitor((m) => (m.options.new_group_delay = 60)), /must be 0/],
    ["nothing about silence", monitor((m) => delete m.options.on_missing_data), /silence/],
    [
      "a delay for groups that there are none of",
      monitor((m) => (m.query = m.query.replace(" by {agent}", ""))),
      /for monitors with groups/,
    ],
    [
      "a choice that default_zero() leaves no effect",
      monitor((m) => {
        m.query = m.query.replace(/sum:.*as_count\(\)/, "default_zero($&)");
        m.options.on_missing_data = "resolve";
      }),
      /no effect on default_zero/,
    ],
    ["no full window said", monitor((m) => delete m.options.require_full_window), /Terraform/],
    ["a priority that is none", monitor((m) => (m.priority = 9)), /1 to 5/],
    ["no tag of ours", monitor((m) => (m.tags = ["breaker:on"])), /managed-by/],
    ["an id", monitor((m) => (m.id = 1)), /made by Datadog/],
    ["no link", monitor((m) => (m.message = m.message.replace(/\]\([^)]*\)/g, "]"))), /no link/],
    ["no amount", monitor((m) => (m.message = m.message.replaceAll("{{value}}", "much"))), /how much/],
    ["a webhook without its tag", monitor((m) => m.tags.pop()), /go together/],
  ],
  "titles-and-groups": [
    ["a hyphen", dashboard((d) => (d.title = "Spendfuse - Agents")), /hyphen/],
    ["no name", dashboard((d) => (d.title = "Agents")), /does not name/],
    ["no overview", dashboard((d) => (d.widgets[1].definition.title = "Numbers")), /Overview/],
    ["a lower-case group", dashboard((d) => (d.widgets[2].definition.title = "Who spends it")), /Title Case/],
    [
      "a widget in no group",
      dashboard((d) =>
        d.widgets.push({ ...d.widgets[1].definition.widgets[0], layout: { x: 0, y: 90, width: 2, height: 2 } }),
      ),
      /in no group/,
    ],
    [
      "money without a unit",
      dashboard((d) => delete first(d).requests[0].formulas[0].number_format),
      /money has no unit/,
    ],
    ["a narrow timeseries", dashboard((d) => (d.widgets[2].definition.widgets[0].layout.width = 3)), /4 columns/],
    ["a bare query value", dashboard((d) => delete first(d).timeseries_background), /timeseries_background/],
  ],
};

describe("lints", () => {
  test("every lint has failing examples", () => {
    expect(Object.keys(EXAMPLES).sort()).toEqual(LINTS.map(({ name }) => name).sort());
  });

  const rows = Object.entries(EXAMPLES).flatMap(([lint, examples]) =>
    examples.map((example) => [lint, ...example] as const),
  );
  test.each(rows)("%s: %s", (lint, _, asset, message) => {
    const found = lintAsset(asset).filter((finding) => finding.lint === lint);
    expect(found.map((finding) => finding.message).join("\n")).toMatch(message);
  });

  const people = join(PACKAGE_ROOT, "..", "shared", "datadog", "assets");
  test.skipIf(!existsSync(people))("assets that people ship raise no alarm", () => {
    const assets = readAssets(people);
    const alarms = assets.flatMap((asset) => lintAsset(asset, false));
    console.log(`${assets.length - new Set(alarms.map(({ file }) => file)).size} of ${assets.length} without an alarm`);
    expect(alarms).toEqual([]);
  });

  test.each([
    ["a bracket that stays open", monitor((m) => (m.query = m.query.replace("}", "")))],
    ["a window that is none", monitor((m) => (m.query = m.query.replace("last_1h", "last_1y")))],
    ["no comparison", monitor((m) => (m.query = m.query.replace("> 20", "")))],
    ["a threshold unlike the query", monitor((m) => (m.options.thresholds.critical = 21))],
    ["a recovery on the wrong side", monitor((m) => (m.options.thresholds.critical_recovery = 25))],
    ["a word that is none", monitor((m) => (m.options.on_missing_data = "ignore"))],
    ["a type that is none", monitor((m) => (m.type = "money alert"))],
    ["a priority that is none", monitor((m) => (m.priority = 9))],
    ["a misspelt key", monitor((m) => (m.mesage = "x"))],
    ["a block that never ends", monitor((m) => (m.message += "{{#is_alert}}"))],
    ["a formula of no query", dashboard((d) => (first(d).requests[0].formulas[0].formula = "b"))],
  ] as const)("in people's assets, %s is found", (_, asset) => {
    expect(lintAsset(asset, false)).not.toEqual([]);
  });

  test("what we ship is clean", () => {
    expect(ASSETS.filter(({ kind }) => kind === "dashboard")).toHaveLength(5);
    expect(ASSETS.filter(({ kind }) => kind === "monitor").length).toBeGreaterThanOrEqual(17);
    expect(lintAssets(ASSETS)).toEqual([]);
  });
});

describe("the client's own types", () => {
  test.each(ASSETS.map((asset) => [asset.name, asset] as const))(
    "%s is read whole, and written as it was",
    (_, asset) => {
      expect(checkTypes(asset, v1)).toEqual([]);
    },
  );

  test.each([
    ["an unknown key", monitor((m) => (m.options.new_group_dellay = 0)), /new_group_dellay/],
    ["a text for a number", monitor((m) => (m.options.thresholds.critical = "20")), /number/],
    ["a wrong word", monitor((m) => (m.options.on_missing_data = "ignore")), /not understood/],
    [
      "something wrong inside of a group",
      dashboard((d) => (first(d).requests[0].queries[0].aggregator = "median")),
      /not understood/,
    ],
  ] as const)("%s is found", (_, asset, message) => {
    expect(
      checkTypes(asset, v1)
        .map((finding) => finding.message)
        .join("\n"),
    ).toMatch(message);
  });

  test("the table of keys is what the client knows", () => {
    const TYPES: Readonly<Record<string, readonly string[]>> = {
      monitor: ["Monitor"],
      options: ["MonitorOptions"],
      thresholds: ["MonitorThresholds"],
      thresholdWindows: ["MonitorThresholdWindowOptions"],
      scheduling: ["MonitorOptionsSchedulingOptions"],
      evaluationWindow: ["MonitorOptionsSchedulingOptionsEvaluationWindow"],
      dashboard: ["Dashboard"],
      variable: ["DashboardTemplateVariable"],
      widget: ["Widget"],
      layout: ["WidgetLayout"],
      note: ["NoteWidgetDefinition"],
      group: ["GroupWidgetDefinition"],
      queryValue: ["QueryValueWidgetDefinition"],
      timeseries: ["TimeseriesWidgetDefinition"],
      toplist: ["ToplistWidgetDefinition"],
      queryTable: ["TableWidgetDefinition"],
      sunburst: ["SunburstWidgetDefinition"],
      treemap: ["TreeMapWidgetDefinition"],
      manageStatus: ["MonitorSummaryWidgetDefinition"],
      queryValueRequest: ["QueryValueWidgetRequest"],
      timeseriesRequest: ["TimeseriesWidgetRequest"],
      toplistRequest: ["ToplistWidgetRequest"],
      tableRequest: ["TableWidgetRequest"],
      sunburstRequest: ["SunburstWidgetRequest"],
      treemapRequest: ["TreeMapWidgetRequest"],
      query: ["FormulaAndFunctionMetricQueryDefinition"],
      formula: ["WidgetFormula"],
      limit: ["WidgetFormulaLimit"],
      numberFormat: ["WidgetNumberFormat"],
      unit: ["NumberFormatUnitCanonical", "NumberFormatUnitCustom"],
      conditionalFormat: ["WidgetConditionalFormat"],
      formulaStyle: ["WidgetFormulaStyle"],
      style: ["WidgetRequestStyle"],
      sort: ["WidgetSortBy"],
      sortOrder: ["WidgetFormulaSort", "WidgetGroupSort"],
      axis: ["WidgetAxis"],
      marker: ["WidgetMarker"],
      background: ["TimeseriesBackground"],
      time: ["WidgetLegacyLiveSpan", "WidgetNewLiveSpan", "WidgetNewFixedSpan"],
    };
    expect(Object.keys(KEYS).sort()).toEqual(Object.keys(TYPES).sort());
    const models = v1 as unknown as Record<string, { getAttributeTypeMap(): Record<string, { baseName: string }> }>;
    for (const [table, types] of Object.entries(TYPES)) {
      const known = types.flatMap((type) =>
        Object.values(models[type]?.getAttributeTypeMap() ?? {}).map(({ baseName }) => baseName),
      );
      const unknown = Object.keys(KEYS[table] ?? {}).filter((key) => !known.includes(key));
      expect(unknown, table).toEqual([]);
    }
  });
});
