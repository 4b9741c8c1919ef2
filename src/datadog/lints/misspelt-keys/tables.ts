/** Keys of a part, and which part their values are; "" is a value whose keys are not checked. */
export type KeyTable = Readonly<Record<string, string>>;

function keys(plain: string, parts: KeyTable = {}): KeyTable {
  return { ...Object.fromEntries(plain.split(" ").map((key) => [key, ""])), ...parts };
}

const WIDGET = "title title_size title_align type description custom_links";
const TIMED: KeyTable = { time: "time" };

/** Widget types that are checked, and the table of their definition. */
export const WIDGETS: Readonly<Record<string, string>> = {
  note: "note",
  group: "group",
  query_value: "queryValue",
  timeseries: "timeseries",
  toplist: "toplist",
  query_table: "queryTable",
  sunburst: "sunburst",
  treemap: "treemap",
  manage_status: "manageStatus",
};

/** What Datadog's API reads, as in its client; a test compares the two. */
export const KEYS: Readonly<Record<string, KeyTable>> = {
  monitor: keys("name type query message tags priority restricted_roles draft_status assets", { options: "options" }),
  options: keys(
    "aggregation device_ids enable_logs_sample enable_samples escalation_message evaluation_delay group_retention_duration groupby_simple_monitor include_tags locked min_failure_duration min_location_failed new_group_delay new_host_delay no_data_timeframe notification_preset_name notify_audit notify_by notify_no_data on_missing_data renotify_interval renotify_occurrences renotify_statuses require_full_window silenced synthetics_check_id timeout_h variables",
    { thresholds: "thresholds", threshold_windows: "thresholdWindows", scheduling_options: "scheduling" },
  ),
  thresholds: keys(
    "critical critical_query critical_recovery critical_recovery_query warning warning_recovery ok unknown",
  ),
  thresholdWindows: keys("trigger_window recovery_window"),
  scheduling: keys("custom_schedule", { evaluation_window: "evaluationWindow" }),
  evaluationWindow: keys("day_starts hour_starts month_starts timezone"),

  dashboard: keys(
    "title description layout_type reflow_type notify_list restricted_roles tags tabs template_variable_presets default_timeframe",
    { widgets: "widget", template_variables: "variable" },
  ),
  variable: keys("name prefix available_values default defaults type"),
  widget: keys("id", { definition: "definition", layout: "layout" }),
  layout: keys("x y width height is_column_break"),

  note: keys(
    "type content background_color font_size text_align vertical_align show_tick tick_pos tick_edge has_padding",
  ),
  group: keys("type title title_align background_color banner_img layout_type show_title", { widgets: "widget" }),
  queryValue: keys(`${WIDGET} autoscale custom_unit precision text_align`, {
    ...TIMED,
    requests: "queryValueRequest",
    timeseries_background: "background",
  }),
  timeseries: keys(`${WIDGET} events legend_columns legend_layout legend_size show_legend`, {
    ...TIMED,
    requests: "timeseriesRequest",
    yaxis: "axis",
    right_yaxis: "axis",
    markers: "marker",
  }),
  toplist: keys(`${WIDGET} style`, { ...TIMED, requests: "toplistRequest" }),
  queryTable: keys(`${WIDGET} has_search_bar`, { ...TIMED, requests: "tableRequest" }),
  sunburst: keys(`${WIDGET} hide_total legend`, { ...TIMED, requests: "sunburstRequest" }),
  treemap: keys("type title description custom_links color_by group_by size_by", {
    ...TIMED,
    requests: "treemapRequest",
  }),
  manageStatus: keys(
    "type title title_size title_align description color_preference count display_format hide_zero_counts query show_last_triggered show_priority sort start summary_type",
  ),

  queryValueRequest: keys("response_format aggregator comparison", {
    queries: "query",
    formulas: "formula",
    conditional_formats: "conditionalFormat",
  }),
  timeseriesRequest: keys("response_format display_type on_right_yaxis metadata", {
    queries: "query",
    formulas: "formula",
    style: "style",
  }),
  toplistRequest: keys("response_format", {
    queries: "query",
    formulas: "formula",
    conditional_formats: "conditionalFormat",
    sort: "sort",
    style: "style",
  }),
  tableRequest: keys("response_format text_formats", {
    queries: "query",
    formulas: "formula",
    conditional_formats: "conditionalFormat",
    sort: "sort",
  }),
  sunburstRequest: keys("response_format style", { queries: "query", formulas: "formula", sort: "sort" }),
  treemapRequest: keys("response_format", { queries: "query", formulas: "formula", sort: "sort", style: "style" }),

  query: keys("aggregator cross_org_uuids data_source name query semantic_mode"),
  formula: keys("alias formula cell_display_mode cell_display_mode_options", {
    conditional_formats: "conditionalFormat",
    limit: "limit",
    number_format: "numberFormat",
    style: "formulaStyle",
  }),
  limit: keys("count order"),
  numberFormat: keys("unit_scale", { unit: "unit" }),
  unit: keys("type unit_name per_unit_name label"),
  conditionalFormat: keys(
    "comparator custom_bg_color custom_fg_color hide_value image_url metric palette timeframe value",
  ),
  formulaStyle: keys("palette palette_index"),
  style: keys("palette line_type line_width order_by"),
  sort: keys("count", { order_by: "sortOrder" }),
  sortOrder: keys("type index order name"),
  axis: keys("include_zero label max min scale"),
  marker: keys("display_type label time value"),
  background: keys("type", { yaxis: "axis" }),
  time: keys("live_span hide_incomplete_cost_data type unit value from to"),
};
