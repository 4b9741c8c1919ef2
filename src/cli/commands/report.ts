import { GROUPINGS } from "../../billing/report.ts";
import { type Command, defineCommand, type OptionValues } from "./command.ts";

const HELP = `spendfuse report: the vendors' bills next to the metered spend, from what spendfuse poll has read. Without a bill:
what was metered, from the store of the processes or from Datadog.

  spendfuse report --month 2026-11 --by agent

  --month MONTH      such as 2026-11; default: this month
  --from DAY --to DAY  a range of days instead of a month, inclusive
  --by NAMES         one or several of ${GROUPINGS.join(", ")},
                     or a declared tag; with commas. Default: agent
  --vendor NAME      only this vendor; repeatable
  --csv, --json      for machines; amounts are decimal dollars
  --focus            CSV with the columns of FOCUS 1.2: a row per day, vendor, project, key, model and agent
  --waste            what bought nothing, by cause: calls canceled or failed, failed and retried work, caches unused
  --caps             the vendors' own caps beside the bill and the budgets
  --db FILE          as in spendfuse poll

The exit code is 0, 1 when something failed, 2 on invalid usage.`;

const OPTIONS = {
  month: { type: "string" },
  from: { type: "string" },
  to: { type: "string" },
  by: { type: "string" },
  vendor: { type: "string", multiple: true },
  csv: { type: "boolean" },
  json: { type: "boolean" },
  focus: { type: "boolean" },
  waste: { type: "boolean" },
  caps: { type: "boolean" },
  db: { type: "string" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "report",
  summary: "bill and metered spend of a month by agent, team, key or model; --csv, --json, --waste, --caps",
  help: HELP,
  options: OPTIONS,
  run: async (values) => (await import("./report/run.ts")).run(values),
});
