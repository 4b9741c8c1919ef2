/**
 * Grafana's dashboard model as its documentation describes it ("JSON model"), as far as we write it: the type of each
 * key, and whether it has to be there. Unknown keys are faults.
 */
type Shape =
  | "string"
  | "number"
  | "boolean"
  | "any"
  | { readonly oneOf: readonly unknown[] }
  | { readonly list: Shape }
  | { readonly keys: Readonly<Record<string, Shape>>; readonly optional?: Readonly<Record<string, Shape>> };

const DATASOURCE: Shape = { keys: { type: { oneOf: ["prometheus"] }, uid: "string" } };
const GRID: Shape = { keys: { x: "number", y: "number", w: "number", h: "number" } };
const TARGET: Shape = {
  keys: {
    refId: "string",
    datasource: DATASOURCE,
    expr: "string",
    legendFormat: "string",
    format: { oneOf: ["time_series", "table"] },
    instant: "boolean",
    range: "boolean",
  },
};
const STEP: Shape = { keys: { color: "string", value: "any" } };
const DEFAULTS: Shape = {
  keys: {},
  optional: {
    unit: "string",
    color: { keys: { mode: "string" } },
    thresholds: { keys: { mode: { oneOf: ["absolute", "percentage"] }, steps: { list: STEP } } },
    custom: "any",
  },
};
const OVERRIDE: Shape = {
  keys: {
    matcher: { keys: { id: "string", options: "string" } },
    properties: { list: { keys: { id: "string", value: "any" } } },
  },
};
const PANEL: Shape = {
  keys: {
    id: "number",
    type: { oneOf: ["row", "text", "alertlist", "timeseries", "stat", "bargauge", "table", "piechart"] },
    title: "string",
    gridPos: GRID,
  },
  optional: {
    collapsed: "boolean",
    panels: { list: "any" },
    transparent: "boolean",
    options: "any",
    datasource: DATASOURCE,
    timeFrom: "string",
    interval: "string",
    targets: { list: TARGET },
    fieldConfig: { keys: { defaults: DEFAULTS, overrides: { list: OVERRIDE } } },
    transformations: { list: { keys: { id: { oneOf: ["merge", "organize"] }, options: "any" } } },
  },
};
const VARIABLE: Shape = {
  keys: {
    name: "string",
    type: { oneOf: ["datasource", "query"] },
    query: "any",
    hide: { oneOf: [0, 1, 2] },
    refresh: { oneOf: [0, 1, 2] },
    regex: "string",
    current: "any",
    options: { list: "any" },
  },
  optional: {
    label: "string",
    datasource: DATASOURCE,
    definition: "string",
    includeAll: "boolean",
    multi: "boolean",
    allValue: "string",
    sort: "number",
  },
};
const DASHBOARD: Shape = {
  keys: {
    uid: "string",
    title: "string",
    description: "string",
    tags: { list: "string" },
    schemaVersion: { oneOf: [42] },
    version: "number",
    editable: "boolean",
    graphTooltip: { oneOf: [0, 1, 2] },
    timezone: { oneOf: ["utc", "browser", ""] },
    time: { keys: { from: "string", to: "string" } },
    refresh: "string",
    annotations: { keys: { list: { list: "any" } } },
    links: { list: "any" },
    templating: { keys: { list: { list: VARIABLE } } },
    panels: { list: PANEL },
  },
};

/** Where a dashboard is not of Grafana's model, a line each. */
export function faultsOf(dashboard: unknown): readonly string[] {
  return check(dashboard, DASHBOARD, "dashboard");
}

function check(value: unknown, shape: Shape, path: string): readonly string[] {
  if (shape === "any") return [];
  if (typeof shape === "string") return typeof value === shape ? [] : [`${path} is no ${shape}`];
  if ("oneOf" in shape) return shape.oneOf.includes(value) ? [] : [`${path} is ${JSON.stringify(value)}`];
  if ("list" in shape)
    return Array.isArray(value)
      ? value.flatMap((one, index) => check(one, shape.list, `${path}[${index}]`))
      : [`${path} is no list`];
  if (typeof value !== "object" || value === null) return [`${path} is no object`];
  const fields = value as Readonly<Record<string, unknown>>;
  const missing = Object.keys(shape.keys).filter((key) => fields[key] === undefined);
  const known = { ...shape.optional, ...shape.keys };
  return [
    ...missing.map((key) => `${path}.${key} is missing`),
    ...Object.entries(fields).flatMap(([key, inner]) => {
      const own = known[key];
      return own === undefined ? [`${path}.${key} is unknown`] : check(inner, own, `${path}.${key}`);
    }),
  ];
}
