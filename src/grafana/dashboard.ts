import type { Asset } from "../datadog/assets.ts";
import { metricsOf, parseExpression } from "../datadog/query/expression.ts";
import { type Part, requestsOf, widgetsOf } from "../datadog/widgets.ts";
import { labelOf, metricOf, prometheusName } from "./metric-name.ts";
import { DATASOURCE, type GridPosition, type Leave, panelOf } from "./panel.ts";
import type { Omission } from "./untranslated.ts";

/** The version of Grafana's dashboard model that is written; Grafana migrates older ones. */
const SCHEMA_VERSION = 42;

export interface DashboardOptions {
  readonly slug: string;
  /** Before the title, as given. */
  readonly prefix: string;
}

/** The uid of a dashboard, which its address has. */
export function uidOf(name: string, slug: string): string {
  const uid = `spendfuse-${slug === "" ? "" : `${slug}-`}${name.replaceAll("_", "-")}`;
  return uid.slice(0, 40);
}

/** A dashboard of Datadog as one of Grafana, and every part that is left out. */
export function dashboardOf(
  { name, json }: Asset,
  options: DashboardOptions,
  tell: (omission: Omission) => void,
): Part {
  const leave: Leave = (part, why) => tell({ asset: name, part, why });
  const panels = layOut(json, leave);
  if (widgetsOf(json).some(({ definition }) => definition.custom_links !== undefined))
    leave("context links", "they lead to pages of Datadog");
  return {
    uid: uidOf(name, options.slug),
    title: `${options.prefix}${json.title}`,
    description: String(json.description ?? ""),
    tags: ["spendfuse"],
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    editable: true,
    graphTooltip: 1,
    timezone: "utc",
    time: { from: "now-24h", to: "now" },
    refresh: "1m",
    annotations: { list: [] },
    links: [],
    templating: { list: [datasource(), ...variablesOf(json)] },
    panels,
  };
}

function layOut(json: Asset["json"], leave: Leave): readonly Part[] {
  const panels: Part[] = [];
  let top = 0;
  const place = (widgets: readonly Part[]): void => {
    let height = 0;
    for (const widget of widgets) {
      const definition = (widget.definition ?? {}) as Part;
      const inGrid = gridOf((widget.layout ?? {}) as Part, top);
      const panel = panelOf(definition, panels.length + 1, inGrid, leave);
      if (panel !== undefined) panels.push(panel);
      height = Math.max(height, inGrid.y + inGrid.h - top);
    }
    top += height;
  };
  for (const widget of (json.widgets ?? []) as readonly Part[]) {
    const definition = (widget.definition ?? {}) as Part;
    if (definition.type !== "group") {
      place([widget]);
      continue;
    }
    const gridPos = { x: 0, y: top, w: 24, h: 1 };
    panels.push({
      id: panels.length + 1,
      type: "row",
      title: String(definition.title ?? ""),
      collapsed: false,
      gridPos,
      panels: [],
    });
    top += 1;
    place((definition.widgets ?? []) as readonly Part[]);
  }
  return panels;
}

/** Datadog's grid has 12 columns, and rows of about twice the height. */
function gridOf(layout: Part, top: number): GridPosition {
  const of = (key: string, otherwise: number): number => Number(layout[key] ?? otherwise);
  return { x: of("x", 0) * 2, y: top + of("y", 0) * 2, w: of("width", 12) * 2, h: of("height", 4) * 2 };
}

function datasource(): Part {
  return {
    name: "datasource",
    label: "Data source",
    type: "datasource",
    query: "prometheus",
    hide: 0,
    refresh: 1,
    regex: "",
    current: {},
    options: [],
  };
}

function variablesOf(json: Asset["json"]): readonly Part[] {
  return ((json.template_variables ?? []) as readonly Part[]).map(({ name, prefix, defaults }) => {
    const label = labelOf(String(prefix ?? name));
    const query = `label_values(${metricWith(json, String(name))}, ${label})`;
    const values = ((defaults ?? ["*"]) as readonly string[]).filter((value) => value !== "*");
    const current = values.length === 0 ? { text: ["All"], value: ["$__all"] } : { text: values, value: values };
    return {
      name: String(name),
      type: "query",
      datasource: DATASOURCE,
      query: { query, refId: String(name) },
      definition: query,
      includeAll: true,
      multi: true,
      // Series without the label, too.
      allValue: ".*",
      current,
      options: [],
      regex: "",
      refresh: 2,
      sort: 1,
      hide: 0,
    };
  });
}

/** A metric that the dashboard filters by a variable. */
function metricWith(json: Asset["json"], variable: string): string {
  for (const widget of widgetsOf(json))
    for (const { queries } of requestsOf(widget))
      for (const { query } of queries) {
        if (!query.includes(`$${variable}`)) continue;
        const [metric] = metricsOf(parseExpression(query));
        if (metric !== undefined) return prometheusName(metricOf(metric.metric));
      }
  return '{__name__=~"spendfuse_.+"}';
}
