import type { SemanticView } from "./view.ts";

const MONITORS = "docs.datadoghq.com/monitors/configuration";

/** Behaviour of Datadog that the sandbox reproduces, with its source. Each row has a test of its name. */
export const SEMANTICS: readonly SemanticView[] = [
  row("last write wins", "Of two points with the same metric, tags and whole second the last one stays.", "1.3, 4"),
  row("late points", "A point older than an hour, or more than ten minutes ahead, is dropped silently.", "4"),
  row(
    "historical ingestion",
    "With it switched on for a metric, old points are taken, the newest value for a time stays.",
    "4",
  ),
  row("tags", "Tags are lower-cased, other characters become _, 200 characters are kept.", "3"),
  row(
    "delta",
    "A delta sum is a count, a gauge a gauge; a sum that may fall is a gauge when it is a running total.",
    "2.3",
  ),
  row("running totals", "A cumulative monotonic sum is refused: 200 with a partial success.", "2.1, 2.2"),
  row(
    "resource attributes",
    "Only service.name, service.version and deployment.environment.name become tags, all with resource_attributes_as_tags.",
    "2.1, 2.3",
  ),
  row(
    "sizes",
    "413 above 512,000 bytes, or 5,242,880 after decompression; traces 3.2 MB, with a key protobuf only.",
    "2.1, 2.4, 4",
  ),
  documented(
    "rate limits",
    "429 with the limit, its period, what is left and the seconds until it begins anew; points are not limited.",
    "docs.datadoghq.com/api/latest/rate-limits",
  ),
  row("202 with errors", "v2 series answers 202 and lists what it did not take.", "4"),
  row("as_count", "Adds up the window before any arithmetic.", "6.2"),
  documented(
    "default_zero",
    "Missing data is zero, whatever on_missing_data says: a group that only the other side has, and a window without data.",
    "Datadog's documentation, pull request 39238",
  ),
  row(
    "cumulative windows",
    "current_1d and current_1mo begin at day_starts and month_starts in their time zone.",
    "6.1, 6.2",
  ),
  documented("current_1h", "Begins with the hour, or at the minute that hour_starts says.", MONITORS),
  row("change", "The window less the same window so long ago; in percent for pct_change.", "6.2"),
  row(
    "how often",
    "Every minute below 24 h, every 10 minutes below 48 h, else every 30; current_1d every 10.",
    "6.3",
    false,
  ),
  row("groups", "One alert and one notification a group.", "6.5"),
  documented(
    "groups without a tag",
    "A series that lacks a tag of the monitor's groups is in no group: the monitor does not see it.",
    MONITORS,
  ),
  documented(
    "N/A",
    "On a dashboard a series that lacks a tag of the groups is in the group N/A, unless exclude_null() is asked.",
    "docs.datadoghq.com/dashboards/functions/exclusion",
  ),
  row("new groups", "A group is not evaluated before new_group_delay is over: 60 s when it is not given.", "1.5, 6.1"),
  documented(
    "new group delay",
    "Holds again for a group that was not seen for 24 h; a monitor without groups has none, and one is refused.",
    MONITORS,
  ),
  documented(
    "evaluation delay",
    "A delay of 15 minutes over 5 minutes evaluates at 7:00 what was from 6:40 to 6:45.",
    MONITORS,
  ),
  row(
    "full window",
    "require_full_window waits until the window has data from its beginning, a minute more or less.",
    "6.1",
    false,
  ),
  row("missing counts", "A count without points is zero: the alert recovers.", "6.4"),
  row("missing gauges", "A gauge without points leaves the status as it is.", "6.4"),
  row(
    "on_missing_data",
    "show_no_data, show_and_notify_no_data and resolve do what they say, when the whole window is empty.",
    "6.1",
  ),
  row("new monitors", "A new monitor without data shows No Data after a whole window.", "6.4", false),
  documented("never any data", "No data is notified only where there was some before.", MONITORS),
  row("after no data", "Alert, No Data, OK: the recovery is not notified.", "6.4", false),
  row("forgotten groups", "A group that is silent for 24 h is dropped, and new when it reports again.", "6.4"),
  row("recovery thresholds", "An alert lasts until its recovery threshold is reached.", "6.1"),
  row(
    "renotify",
    "Notified again every renotify_interval in the listed statuses; is_alert holds then as well.",
    "6.1, 6.4",
    false,
  ),
  row("downtimes", "A group that a downtime or a mute covers notifies nobody; its state changes as ever.", "6.4"),
  row("handles", "A handle inside a block is notified of that transition only, one outside of all.", "6.5"),
  row("webhook variables", "Filled in; what is not known stays as it is written.", "7"),
  row("webhook retries", "5xx and no answer within 15 s are tried again, five times, 1 to 16 s apart.", "7", false),
  row(
    "rollup in time",
    "Counts are added up, gauges averaged, and min: and max: keep the least and the most.",
    "6.2",
    false,
  ),
  row("interpolation", "There is none: an interval without points is empty.", "6.2", false),
  row("anomalies", "A stand-in for 'basic': quartiles of the values before the window.", "6.2", false),
  row(
    "custom costs",
    "An upload is a file of its own: the same lines twice are twice the cost, until a file is deleted.",
    "5",
  ),
  row("histograms", "Kept as name.count and name.sum; percentiles are refused.", "2.3", false),
];

function row(name: string, rule: string, section: string, confirmed = true): SemanticView {
  return { name, rule, cites: `datadog.md, section ${section}`, confirmed };
}

function documented(name: string, rule: string, cites: string): SemanticView {
  return { name, rule, cites, confirmed: true };
}
