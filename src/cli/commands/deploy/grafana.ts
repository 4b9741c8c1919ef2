import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { SpendfuseError } from "../../../core/errors.ts";
import type { Asset } from "../../../datadog/assets.ts";
import type { Choices } from "../../../datadog/deploy/wanted.ts";
import { filesOf } from "../../../grafana/files.ts";
import { usage } from "../command.ts";
import type { Values } from "../deploy.ts";

/** Options that are about an account of Datadog. */
const FOREIGN = [
  "check",
  "plan",
  "destroy",
  "notify",
  "no-notify",
  "webhook-url",
  "filter",
  "overwrite",
  "rotate-secret",
  "index",
  "detailed-exitcode",
  "yes",
] as const;

/** Writes Grafana dashboards and Prometheus rules into a folder. Returns the exit code. */
export function writeGrafana(
  assets: readonly Asset[],
  choices: Choices,
  folder: string | undefined,
  values: Values,
): number {
  if (folder === undefined) throw usage("--to grafana needs a folder: spendfuse deploy --to grafana DIR");
  const foreign = FOREIGN.find((name) => values[name] !== undefined);
  if (foreign !== undefined) throw usage(`--to grafana writes files only: --${foreign} is for Datadog`);
  const grafana = values["grafana-url"];
  if (grafana !== undefined && !/^https?:$/.test(URL.parse(grafana)?.protocol ?? ""))
    throw usage("--grafana-url must be an address such as https://grafana.example.com");
  const { settings, prefix, webhook: breaker } = choices;
  const { files, omissions } = filesOf(assets, { settings, prefix, breaker, grafana });
  try {
    for (const { path, text } of files) {
      const file = join(folder, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SpendfuseError(
      "SPENDFUSE_USAGE",
      `cannot write to ${folder}: ${why}; name a folder that this user can write`,
      { folder },
      cause,
    );
  }
  if (values.json) console.log(JSON.stringify({ files: files.map(({ path }) => path), omissions }));
  else {
    for (const { path } of files) console.log(`✓ ${join(folder, path)}`);
    for (const { asset, part, why } of omissions) console.log(`- not translated: ${asset}, ${part}: ${why}`);
    console.log(`\n${files.length} files written, ${omissions.length} parts not translated`);
  }
  return 0;
}
