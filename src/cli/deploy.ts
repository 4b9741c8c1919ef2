import { parseArgs } from "node:util";
import { readConfig } from "../config/config.ts";
import type { Asset } from "../datadog/assets.ts";
import { readAssets } from "../datadog/assets.ts";
import { openClient } from "../datadog/client.ts";
import { createRemote, type Remote } from "../datadog/deploy/remote.ts";
import { type Choices, checkChoices, slugOf, wantedOf } from "../datadog/deploy/wanted.ts";
import { PARAMETERS, readSettings } from "../datadog/parameters.ts";
import { runCommand, usage } from "../terminal/command.ts";
import { checkAssets } from "./deploy/check.ts";
import { destroy } from "./deploy/destroy.ts";
import { install } from "./deploy/install.ts";

const HELP = `spendfuse deploy: dashboards, monitors and the webhook of the breaker, installed in Datadog.

  spendfuse deploy --check     looks at the files alone: no account, no key
  spendfuse deploy --plan      what would change
  spendfuse deploy             does it; done twice it changes nothing
  spendfuse deploy --destroy   deletes what is ours, and nothing else

It needs DD_API_KEY, DD_APP_KEY and DD_SITE, and the package @datadog/datadog-api-client (npm install it in your app).

  --notify HANDLE    who is told, such as @oncall-payments; may be given again. Or --no-notify: monitors that page nobody
  --webhook-url URL  where the breaker takes webhooks: https://YOUR-BREAKER/webhooks/datadog, with its secret in
                     SPENDFUSE_WEBHOOK_SECRET. Or --no-webhook: alerts that stop nothing
  --set NAME=NUMBER  another threshold, in query, options and message at once; may be given again:
${PARAMETERS.map(({ name, says }) => `                       ${name.padEnd(23)}${says}`).join("\n")}
  --filter TAG       such as env:prod, added to every query; may be given again
  --prefix TEXT      before every name: several installations side by side
  --only NAME        this file alone; may be given again. --without NAME leaves one out
  --overwrite        undoes what users changed in Datadog; otherwise their edits stay
  --rotate-secret    sets the webhook's secret anew
  --assets DIR       dashboards/ and monitors/ of this folder instead of ours
  --yes              destroys without asking
  --json             machine-readable

The exit code is 0, 1 when something failed (run it again: it goes on where it was), 2 for a wrong call.`;

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
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof readValues>;

/** Runs `spendfuse deploy`. */
export function deploy(args: string[]): Promise<number> {
  return runCommand({ name: "deploy", help: HELP, read: readValues, run }, args);
}

function readValues(args: string[]) {
  return parseArgs({ args, options: OPTIONS }).values;
}

async function run(values: Values): Promise<number> {
  const modes = [values.check, values.plan, values.destroy].filter(Boolean).length;
  if (modes > 1) throw usage("--check, --plan and --destroy exclude one another");
  const assets = selectAssets(readAssets(values.assets), values);
  const settings = readSettings(values.set ?? []);
  const lost = [...settings.keys()].find((monitor) => !assets.some(({ name }) => name === monitor));
  if (lost !== undefined) throw usage(`--set is about the monitor ${lost}, which is not among these`);
  const choices: Choices = {
    settings,
    notify: values.notify ?? [],
    webhook: !values["no-webhook"],
    prefix: values.prefix ?? "",
    filters: values.filter ?? [],
  };
  checkChoices(choices);
  if (values.check) return await checkAssets(assets, values.json === true);
  const slug = slugOf(choices.prefix);
  if (values.destroy) {
    const only = values.only?.map((name) => (slug === "" ? name : `${slug}/${name}`));
    return await destroy(await open(), {
      ...choices,
      slug,
      only,
      yes: values.yes === true,
      json: values.json === true,
    });
  }
  checkDelivery(values);
  const { env } = readConfig({}, undefined, () => {});
  return await install(wantedOf(assets, choices), await open(), {
    dry: values.plan === true,
    json: values.json === true,
    slug,
    overwrite: values.overwrite === true,
    setup: {
      prefix: choices.prefix,
      webhookUrl: values["webhook-url"],
      webhook: choices.webhook,
      secret: env.SPENDFUSE_WEBHOOK_SECRET?.split(",")[0]?.trim(),
      rotate: values["rotate-secret"] === true,
      overwrite: values.overwrite === true,
    },
  });
}

async function open(): Promise<Remote> {
  const { env } = readConfig({}, undefined, () => {});
  return createRemote(await openClient({ env, user: "spendfuse deploy" }));
}

/** Monitors that page nobody, or stop nothing, are shipped when somebody says so, and never by an oversight. */
function checkDelivery(values: Values): void {
  const told = values.notify?.length ?? 0;
  if (told === 0 && !values["no-notify"])
    throw usage("say who is told, with --notify @oncall-…, or ship monitors that page nobody with --no-notify");
  if (told > 0 && values["no-notify"]) throw usage("--notify and --no-notify exclude one another");
  const url = values["webhook-url"];
  if (url !== undefined && values["no-webhook"]) throw usage("--webhook-url and --no-webhook exclude one another");
  if (
    url !== undefined &&
    URL.parse(url)?.protocol !== "https:" &&
    !/^http:\/\/(127\.0\.0\.1|localhost)(:|\/)/.test(url)
  )
    throw usage("--webhook-url must be an https address that Datadog can reach");
}

function selectAssets(assets: readonly Asset[], { only, without }: Values): readonly Asset[] {
  for (const name of [...(only ?? []), ...(without ?? [])]) {
    if (assets.some((asset) => asset.name === name)) continue;
    throw usage(
      `there is no dashboard or monitor "${name}". There are: ${assets.map((asset) => asset.name).join(", ")}`,
    );
  }
  const chosen = assets.filter(({ name }) => (only === undefined || only.includes(name)) && !without?.includes(name));
  if (chosen.length === 0) throw usage("there is nothing to deploy: no dashboards/*.json and monitors/*.json here");
  return chosen;
}
