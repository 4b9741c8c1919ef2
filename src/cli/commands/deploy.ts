import { PARAMETERS } from "../../datadog/parameters.ts";
import { type Command, defineCommand, type OptionValues } from "./command.ts";

const HELP = `spendfuse deploy: dashboards, monitors and the webhook of the breaker, installed in Datadog.

  spendfuse deploy --check     looks at the files alone: no account, no key
  spendfuse deploy --plan      what would change
  spendfuse deploy             does it; done twice it changes nothing
  spendfuse deploy --destroy   deletes what is ours, and nothing else

It needs DD_API_KEY, DD_APP_KEY and DD_SITE, and the package @datadog/datadog-api-client (npm install it in your app).

  --notify HANDLE    who is told, such as @oncall-payments; repeatable. Or --no-notify: monitors that page nobody
  --webhook-url URL  where the breaker takes webhooks: https://YOUR-BREAKER/webhooks/datadog, with its secret in
                     SPENDFUSE_WEBHOOK_SECRET. Or --no-webhook: alerts that stop nothing
  --set NAME=NUMBER  another threshold, in query, options and message at once; repeatable:
${PARAMETERS.map(({ name, says }) => `                       ${name.padEnd(23)}${says}`).join("\n")}
  --filter TAG       such as env:prod, added to every query; repeatable
  --prefix TEXT      before every name: several installations side by side
  --only NAME        this file alone; repeatable. --without NAME leaves one out
  --overwrite        undoes what users changed in Datadog; otherwise their edits stay
  --rotate-secret    sets the webhook's secret anew
  --assets DIR       dashboards/ and monitors/ of this folder instead of ours
  --yes              destroys without asking
  --json             machine-readable

The exit code is 0, 1 when something failed (run it again: it goes on where it was), 2 on invalid usage.`;

const OPTIONS = {
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
  run: async (values) => (await import("./deploy/run.ts")).run(values),
});
