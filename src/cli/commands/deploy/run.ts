import { readConfig } from "../../../config/config.ts";
import type { Asset } from "../../../datadog/assets.ts";
import { readAssets } from "../../../datadog/assets.ts";
import { boardsOf } from "../../../datadog/deploy/links.ts";
import { createRemote, type Remote } from "../../../datadog/deploy/remote.ts";
import { metricsByProcess, PROCESS } from "../../../datadog/deploy/tag-index.ts";
import { type Choices, checkChoices, slugOf, wantedOf } from "../../../datadog/deploy/wanted.ts";
import { readSettings } from "../../../datadog/parameters.ts";
import { openRest } from "../../../datadog/rest/rest.ts";
import { usage } from "../command.ts";
import type { Values } from "../deploy.ts";
import { checkAssets } from "./check.ts";
import { destroy } from "./destroy.ts";
import { writeGrafana } from "./grafana.ts";
import { install } from "./install.ts";

/** Checks, plans, installs or destroys, or writes files for Grafana. Resolves to the exit code. */
export async function run(values: Values, words: readonly string[]): Promise<number> {
  checkTarget(values, words);
  const modes = [values.check, values.plan, values.destroy].filter(Boolean).length;
  if (modes > 1) throw usage("--check, --plan and --destroy are mutually exclusive: choose one");
  const assets = selectAssets(readAssets(values.assets), values);
  const unknown = values.index?.find((tag) => tag !== PROCESS);
  if (unknown !== undefined) throw usage(`--index ${unknown}: the tag that can be kept is ${PROCESS}`);
  const settings = readSettings(values.set ?? []);
  const lost = [...settings.keys()].find((monitor) => !assets.some(({ name }) => name === monitor));
  if (lost !== undefined)
    throw usage(`--set is about the monitor ${lost}, which is left out: name it with --only, or leave --set out`);
  const choices: Choices = {
    settings,
    notify: values.notify ?? [],
    webhook: !values["no-webhook"],
    prefix: values.prefix ?? "",
    filters: values.filter ?? [],
    tags: readConfig({}, undefined, () => {}).tags ?? [],
  };
  checkChoices(choices);
  if (values.to === "grafana") return writeGrafana(assets, choices, words[0], values);
  if (values.check) return await checkAssets(assets, values.assets === undefined, values.json === true);
  const slug = slugOf(choices.prefix);
  if (values.destroy) {
    const only = values.only?.map((name) => (slug === "" ? name : `${slug}/${name}`));
    return await destroy(open(), {
      ...choices,
      slug,
      only,
      yes: values.yes === true,
      json: values.json === true,
    });
  }
  checkDelivery(values);
  const { env } = readConfig({}, undefined, () => {});
  return await install(wantedOf(assets, choices), open(), {
    dry: values.plan === true,
    json: values.json === true,
    slug,
    overwrite: values.overwrite === true,
    detailedExitCode: values["detailed-exitcode"] === true,
    boards: boardsOf(linkable(assets, slug)),
    setup: {
      prefix: choices.prefix,
      webhookUrl: values["webhook-url"],
      webhook: choices.webhook,
      secret: env.SPENDFUSE_WEBHOOK_SECRET?.split(",")[0]?.trim(),
      rotate: values["rotate-secret"] === true,
      overwrite: values.overwrite === true,
      index: values.index ?? [],
      byProcess: metricsByProcess([...readAssets(), ...assets]),
    },
  });
}

/** Dashboards that messages may name: the chosen ones, and the shipped ones that were installed before. */
function linkable(assets: readonly Asset[], slug: string): Parameters<typeof boardsOf>[0] {
  const boards = [...readAssets(), ...assets].filter(({ kind }) => kind === "dashboard");
  return boards.map(({ name, json }) => ({ key: slug === "" ? name : `${slug}/${name}`, json }));
}

/** A folder belongs to `--to grafana` alone. */
function checkTarget({ to, "grafana-url": url }: Values, words: readonly string[]): void {
  if (to !== undefined && to !== "grafana")
    throw usage(`--to ${to}: use --to grafana DIR, or leave --to out for Datadog`);
  const extra = words[to === undefined ? 0 : 1];
  if (extra !== undefined)
    throw usage(
      `unexpected argument "${extra}": ${to === undefined ? "name assets with --only" : "--to grafana takes one folder"}`,
    );
  if (to === undefined && url !== undefined) throw usage("--grafana-url is for --to grafana DIR");
}

function open(): Remote {
  const { env } = readConfig({}, undefined, () => {});
  return createRemote(openRest({ env }));
}

/** Monitors without a recipient or a webhook need an explicit flag, so that they are never an oversight. */
function checkDelivery(values: Values): void {
  const told = values.notify?.length ?? 0;
  if (told === 0 && !values["no-notify"])
    throw usage("name who to notify with --notify @oncall-…, or deploy monitors without a recipient with --no-notify");
  if (told > 0 && values["no-notify"]) throw usage("--notify and --no-notify are mutually exclusive: choose one");
  const url = values["webhook-url"];
  if (url !== undefined && values["no-webhook"])
    throw usage("--webhook-url and --no-webhook are mutually exclusive: choose one");
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
  if (chosen.length === 0)
    throw usage(
      "nothing is left to deploy: leave out fewer with --without, or name a folder with dashboards/ or monitors/ in --assets",
    );
  return chosen;
}
