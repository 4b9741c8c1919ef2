import type { Asset } from "../datadog/assets.ts";
import { CLOUD_COST } from "../datadog/custom-costs.ts";
import { slugOf } from "../datadog/deploy/wanted.ts";
import { setThreshold, unitOf } from "../datadog/parameters.ts";
import { queriesOf } from "../datadog/queries.ts";
import { dashboardOf, uidOf } from "./dashboard.ts";
import { type RuleGroup, rulesOf } from "./rules.ts";
import type { Omission } from "./untranslated.ts";
import { writeYaml, type Yaml } from "./yaml.ts";

export interface FileOptions {
  /** New thresholds, by monitor. */
  readonly settings: ReadonlyMap<string, number>;
  readonly prefix: string;
  readonly breaker: boolean;
  readonly grafana: string | undefined;
}

/** What is to be written, and what could not be translated. */
export interface Files {
  readonly files: readonly { readonly path: string; readonly text: string }[];
  readonly omissions: readonly Omission[];
}

/** The dashboards as Grafana's JSON, and the monitors as one file of Prometheus rules. */
export function filesOf(assets: readonly Asset[], { settings, prefix, breaker, grafana }: FileOptions): Files {
  const omissions: Omission[] = [];
  const tell = (omission: Omission): void => {
    const isTold = omissions.some(
      (one) => one.asset === omission.asset && one.part === omission.part && one.why === omission.why,
    );
    if (!isTold) omissions.push(omission);
  };
  const slug = slugOf(prefix);
  const boards = assets.filter((asset) => {
    if (asset.kind !== "dashboard") return false;
    const isCosts = usesCloudCost(asset);
    if (isCosts) tell({ asset: asset.name, part: "dashboard", why: "Cloud Cost Management is Datadog's" });
    return !isCosts;
  });
  const uids = new Map(boards.map(({ name, json }) => [String(json.title), uidOf(name, slug)]));
  const files = boards.map((asset) => {
    const text = `${JSON.stringify(dashboardOf(asset, { slug, prefix }, tell), undefined, 2)}\n`;
    return { path: `dashboards/${uidOf(asset.name, slug)}.json`, text };
  });
  const groups = assets.flatMap((asset): readonly RuleGroup[] => {
    if (asset.kind !== "monitor") return [];
    const group = rulesOf(withThreshold(asset, settings), { slug, breaker, grafana, uids }, tell);
    return group === undefined ? [] : [group];
  });
  if (groups.length > 0) {
    const path = `rules/spendfuse${slug === "" ? "" : `-${slug}`}.yml`;
    files.push({ path, text: writeYaml({ groups } as unknown as Yaml) });
  }
  return { files, omissions };
}

function usesCloudCost(asset: Asset): boolean {
  return queriesOf(asset).some(({ metrics }) => metrics.some(({ metric }) => metric === CLOUD_COST.name));
}

function withThreshold(asset: Asset, settings: ReadonlyMap<string, number>): Asset {
  const value = settings.get(asset.name);
  const unit = unitOf(asset.name);
  return value === undefined || unit === undefined ? asset : { ...asset, json: setThreshold(asset.json, unit, value) };
}
