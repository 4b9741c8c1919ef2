import { readAssets } from "../../src/datadog/assets.ts";
import { rulesOf } from "../../src/grafana/rules.ts";
import type { Omission } from "../../src/grafana/untranslated.ts";

export const monitors = readAssets().filter(({ kind }) => kind === "monitor");
/** What was not translated. */
export const omissions: Omission[] = [];
/** What the rules are written with. */
export const options = { slug: "", breaker: true, grafana: undefined, uids: new Map<string, string>() };
/** The rules of each monitor that is translated, by its name. */
export const groups = new Map(
  monitors.flatMap((asset) => {
    const group = rulesOf(asset, options, (omission) => omissions.push(omission));
    return group === undefined ? [] : [[asset.name, group] as const];
  }),
);
