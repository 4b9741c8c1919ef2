import { type Command, defineCommand, type OptionValues } from "./command.ts";

const DEFAULT_PORT = 4320;

const HELP = `spendfuse sandbox: a stand-in for Datadog on this machine. It is not Datadog.

It takes OTLP metrics and spans (/v1/metrics, /v1/traces) and v2 series, evaluates monitors, sends their webhooks, and
draws dashboards on a page. Everything is kept in memory. Ctrl-C stops it.

  spendfuse sandbox

  --port PORT      default ${DEFAULT_PORT}; 0 takes any free one
  --breaker URL    where webhooks go, and whose circuits the page shows; with SPENDFUSE_WEBHOOK_SECRET and, to trip and
                   reset at the page, SPENDFUSE_OPERATOR_TOKEN
  --assets DIR     uses dashboards/ and monitors/ of this folder instead of the shipped ones
  --empty          no dashboards and monitors: deploy them with DD_API_KEY=x DD_APP_KEY=x SPENDFUSE_DD_API_URL=URL
  --simulated      a clock that moves only from the page or by POST /sandbox/clock { "advance": seconds }
  --start TIME     where that clock starts, such as 2026-11-02T09:00:00Z; default: a day ago
  --rate-limit N/S N requests in S seconds, for each kind of resource of the API: beyond that it answers 429 as Datadog does
  --speed N        simulated seconds per real second; default 0

Send an app's metrics to it: OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:${DEFAULT_PORT}`;

const OPTIONS = {
  port: { type: "string", default: String(DEFAULT_PORT) },
  breaker: { type: "string" },
  assets: { type: "string" },
  empty: { type: "boolean" },
  simulated: { type: "boolean" },
  start: { type: "string" },
  speed: { type: "string" },
  "rate-limit": { type: "string" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "sandbox",
  summary: "a stand-in for Datadog on this machine: metrics in, monitors, webhooks, dashboards",
  help: HELP,
  options: OPTIONS,
  run: async (values) => (await import("./sandbox/run.ts")).run(values),
});
