import { PARAMETERS } from "../../datadog/parameters.ts";
import { type Command, defineCommand, type OptionValues } from "./command.ts";

const HELP = `spendfuse deploy: dashboards, monitors and the webhook of the breaker, installed in Datadog.

  spendfuse deploy --check     lints the files only: no account, no key
  spendfuse deploy --plan      shows what would change
  spendfuse deploy             applies the plan (idempotent)
  spendfuse deploy --destroy   deletes only what spendfuse created
  spendfuse deploy --to grafana DIR   writes Grafana dashboards and Prometheus rules instead: no account, no key

It needs DD_API_KEY, DD_APP_KEY and DD_SITE. --check reads the files with Datadog's own types as well, where the package
@datadog/datadog-api-client is installed in your app.

  --notify HANDLE    who to notify, such as @oncall-payments; repeatable. Or --no-notify: monitors without a recipient
  --webhook-url URL  where the breaker takes webhooks: https://YOUR-BREAKER/webhooks/datadog, with its secret in
                     SPENDFUSE_WEBHOOK_SECRET. Or --no-webhook: alerts do not stop agents
  --set NAME=NUMBER  changes a threshold in query, options and message; repeatable:
${PARAMETERS.map(({ name, title }) => `                       ${name.padEnd(23)}${title}`).join("\n")}
  --filter TAG       such as env:prod, added to every query; repeatable
  --prefix TEXT      prefixes every name, for several installations in one account
  --only NAME        only this file; repeatable. --without NAME skips one
  --overwrite        overwrites edits made in Datadog; otherwise they stay
  --rotate-secret    replaces the webhook's secret
  --assets DIR       uses dashboards/ and monitors/ of this folder instead of the shipped ones
  --index process    keeps the tag process in Datadog's index; otherwise it is left out of metrics that no asset groups by it
  --detailed-exitcode   0 when there was nothing to do, 2 when there were changes
  --grafana-url URL  with --to grafana: alerts link to the dashboards there
  --yes              destroys without asking
  --json             machine-readable

The exit code is 0, 1 when something failed (run it again to continue), 2 on invalid usage. With --detailed-exitcode, as
Terraform has it: 0 nothing to do, 2 changes (made, or with --plan to be made), 1 an error.`;

const OPTIONS = {
  to: { type: "string" },
  "grafana-url": { type: "string" },
  check: { type: "boolean" },
  plan: { type: "boolean" },
  destroy: { type: "boolean" },
  notify: { type: "string", multiple: true },
  "no-notify": { type: "boolean" },
  "webhook-url": { type: "string" },
  "no-webhook": { type: "boolean" },
  set: { type: "string", multiple: true },
  filter: { type: "string", multiple: true },
  prefix: { type: "string" },
  only: { type: "string", multiple: true },
  without: { type: "string", multiple: true },
  overwrite: { type: "boolean" },
  "rotate-secret": { type: "boolean" },
  index: { type: "string", multiple: true },
  "detailed-exitcode": { type: "boolean" },
  assets: { type: "string" },
  yes: { type: "boolean" },
  json: { type: "boolean" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "deploy",
  summary: "install dashboards, monitors and the webhook in Datadog; --check, --plan, --destroy",
  help: HELP,
  options: OPTIONS,
  positionals: true,
  run: async (values, words) => (await import("./deploy/run.ts")).run(values, words),
});
