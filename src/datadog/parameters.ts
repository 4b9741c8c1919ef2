import { SpendfuseError } from "../core/errors.ts";
import { parseMonitorQuery } from "./query/monitor-query.ts";

export type ParameterUnit = "usd" | "calls" | "share" | "seconds" | "files";

/** A figure that users choose: the threshold of one monitor. Its default is in the monitor's file. */
export interface Parameter {
  readonly name: string;
  /** The file of the monitor, without `.json`. */
  readonly monitor: string;
  readonly unit: ParameterUnit;
  readonly title: string;
}

export const PARAMETERS: readonly Parameter[] = [
  { name: "agent_hourly_usd", monitor: "agent_hourly_spend", unit: "usd", title: "max USD per agent per hour" },
  {
    name: "agent_hourly_charges_usd",
    monitor: "agent_hourly_charges",
    unit: "usd",
    title: "max USD of charges per agent per hour",
  },
  {
    name: "root_agent_hourly_usd",
    monitor: "root_agent_hourly_spend",
    unit: "usd",
    title: "the same, including sub-agents",
  },
  { name: "agent_burn_usd", monitor: "agent_fast_burn", unit: "usd", title: "max USD per agent per 5 minutes" },
  {
    name: "root_agent_burn_usd",
    monitor: "root_agent_fast_burn",
    unit: "usd",
    title: "the same, including sub-agents",
  },
  { name: "agent_daily_usd", monitor: "agent_daily_budget", unit: "usd", title: "max USD per agent per day (UTC)" },
  { name: "team_monthly_usd", monitor: "team_monthly_budget", unit: "usd", title: "max USD per team per month (UTC)" },
  {
    name: "team_forecast_usd",
    monitor: "team_budget_forecast",
    unit: "usd",
    title: "max USD per team per month, at the pace of 7 days",
  },
  { name: "agent_calls", monitor: "agent_runaway_calls", unit: "calls", title: "max calls per agent per 5 minutes" },
  {
    name: "unmeasured_share",
    monitor: "usage_quality",
    unit: "share",
    title: "max share of calls without reported usage",
  },
  {
    name: "drift_share",
    monitor: "bill_drift",
    unit: "share",
    title: "max share of drift between bill and metered spend",
  },
  { name: "ungoverned_usd", monitor: "ungoverned_spend", unit: "usd", title: "max ungoverned USD per month" },
  { name: "poll_lag_seconds", monitor: "poller_silent", unit: "seconds", title: "max age of the last bill" },
  { name: "spool_files", monitor: "exporter_silent", unit: "files", title: "max undelivered exports on one disk" },
];

type Body = Readonly<Record<string, unknown>>;

/** The new thresholds by name, as `--set` gives them. @throws SpendfuseError `SPENDFUSE_USAGE` */
export function readSettings(texts: readonly string[]): ReadonlyMap<string, number> {
  const settings = new Map<string, number>();
  for (const text of texts) {
    const [, name = "", value = ""] = /^([^=]+)=(.*)$/.exec(text) ?? [];
    const parameter = PARAMETERS.find((one) => one.name === name);
    if (parameter === undefined) {
      const names = PARAMETERS.map((one) => one.name).join(", ");
      throw new SpendfuseError("SPENDFUSE_USAGE", `--set ${text}: write NAME=NUMBER, with a name of ${names}`, {
        text,
      });
    }
    const number = value.trim() === "" ? Number.NaN : Number(value);
    const whole = parameter.unit === "calls" || parameter.unit === "files" || parameter.unit === "seconds";
    if (!(number > 0) || !Number.isFinite(number) || (whole && !Number.isInteger(number))) {
      const kind = whole ? "a whole number above 0" : "a number above 0";
      throw new SpendfuseError("SPENDFUSE_USAGE", `--set ${text}: ${parameter.title} must be ${kind}`, { text });
    }
    settings.set(parameter.monitor, number);
  }
  return settings;
}

export function unitOf(monitor: string): ParameterUnit | undefined {
  return PARAMETERS.find((one) => one.monitor === monitor)?.unit;
}

/** The monitor with another threshold: in its query, its options and its message. All others keep their ratio to it. */
export function setThreshold(body: Body, unit: ParameterUnit, critical: number): Body {
  const query = String(body.query);
  const { threshold, thresholdAt } = parseMonitorQuery(query);
  const options = (body.options ?? {}) as { readonly thresholds?: Readonly<Record<string, number>> };
  const figures = new Map([[formatFigure(threshold, unit), formatFigure(critical, unit)]]);
  const thresholds: Record<string, number> = {};
  for (const [name, value] of Object.entries(options.thresholds ?? {})) {
    thresholds[name] = name === "critical" ? critical : scale(value, critical / threshold, unit);
    figures.set(formatFigure(value, unit), formatFigure(thresholds[name], unit));
  }
  return {
    ...body,
    query: query.slice(0, thresholdAt.start) + plain(critical) + query.slice(thresholdAt.end),
    ...(typeof body.name === "string" && { name: replaceFigures(body.name, figures) }),
    message: replaceFigures(String(body.message ?? ""), figures),
    options: { ...options, thresholds },
  };
}

function scale(value: number, ratio: number, unit: ParameterUnit): number {
  const scaled = Number((value * ratio).toPrecision(6));
  return unit === "usd" || unit === "share" ? scaled : Math.round(scaled);
}

/** A figure as messages write it: `$20`, `300`, `25 %`, `6 h`. */
export function formatFigure(value: number, unit: ParameterUnit): string {
  switch (unit) {
    case "usd":
      return `$${money(value)}`;
    case "share":
      return `${plain(Number((value * 100).toPrecision(6)))} %`;
    case "seconds":
      if (value % 3_600 === 0) return `${value / 3_600} h`;
      return value % 60 === 0 ? `${value / 60} min` : `${value} s`;
    default:
      return plain(value);
  }
}

/** Whole dollars without cents, all else with at least two digits. */
function money(value: number): string {
  const text = plain(value);
  return /^\d+\.\d$/.test(text) ? `${text}0` : text;
}

/** Without an exponent, which no query takes. */
function plain(value: number): string {
  const text = String(value);
  return text.includes("e") ? value.toFixed(9).replace(/\.?0+$/, "") : text;
}

/** Replaces all figures in one pass, so that one that was put in is not replaced again. */
function replaceFigures(message: string, figures: ReadonlyMap<string, string>): string {
  const texts = [...figures.keys()].map((text) => text.replace(/[$.]/g, "\\$&")).sort((a, b) => b.length - a.length);
  const pattern = new RegExp(`(?<![\\d.])(?:${texts.join("|")})(?!\\d|\\.\\d)`, "g");
  return message.replace(pattern, (text) => figures.get(text) ?? text);
}
