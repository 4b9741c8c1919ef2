import * as lateRegistry from "../../billing/late/vendors/registry.ts";
import * as registry from "../../billing/vendors/registry.ts";
import { eitherOf, SHARED_STORE_FORMS } from "../../stores/addresses.ts";
import { type Command, defineCommand, type OptionValues } from "./command.ts";

const VENDORS = Object.values(registry);
const LATE = Object.values(lateRegistry);

const HELP = `spendfuse poll: reads the vendors' bills, reconciles them with the metered spend, publishes bill and drift.

  spendfuse poll --once        one round
  spendfuse poll --every 5m    one round every 5 minutes, until stopped

  --from DAY         read again from this day on, such as 2026-01-01 (UTC); if interrupted, the same command resumes
  --to DAY           up to this day, itself included
  --vendor NAME      only this vendor; repeatable: ${VENDORS.map(({ name }) => name).join(", ")}
  --db FILE          where the vendors' rows are kept; default: the configuration's billing.db, else spendfuse-bill.db
  --custom-costs     upload the allocated bill to Datadog's Cloud Cost Management, too
  --json             machine-readable

A vendor's bill is read when its key is set:
${VENDORS.map(({ variable, needs }) => `  ${variable.padEnd(26)} ${needs}`).join("\n")}
Calls that broke off settle by what the vendors say later, where the agents write to a store:
${LATE.map(({ title, variables }) => `  ${title.padEnd(12)} ${variables.join(" or ")}`).join("\n")}
Metered spend comes from the store (SPENDFUSE_STORE: ${eitherOf(SHARED_STORE_FORMS)}), else from Datadog (DD_API_KEY, DD_APP_KEY).
Points go to Datadog (DD_API_KEY, DD_SITE), else to OTEL_EXPORTER_OTLP_ENDPOINT.

The exit code is 0, 1 when something failed (what was read is kept), 2 on invalid usage.`;

const OPTIONS = {
  once: { type: "boolean" },
  every: { type: "string" },
  from: { type: "string" },
  to: { type: "string" },
  vendor: { type: "string", multiple: true },
  db: { type: "string" },
  "custom-costs": { type: "boolean" },
  json: { type: "boolean" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "poll",
  summary: "read the vendors' bills, reconcile them with the metered spend, publish the drift; --once, --every 5m",
  help: HELP,
  options: OPTIONS,
  run: async (values) => (await import("./poll/run.ts")).run(values),
});
