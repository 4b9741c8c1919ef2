import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../servers/redis.ts";
import { answers, type Program, startProgram } from "./program.ts";

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** In the order of their times. */
  readonly values: readonly number[];
}

export interface Prometheus extends Program {
  readonly url: string;
  /** The samples of a selector in the last hour. */
  samples(selector: string): Promise<readonly Series[]>;
}

/** Exports of one second are dated a second apart, and so may be ahead of the clock. */
const AHEAD_S = 300;

interface Answer {
  readonly data: {
    readonly result: readonly {
      readonly metric: Record<string, string>;
      readonly values: readonly (readonly [number, string])[];
    }[];
  };
}

/** A configuration that scrapes a target as often as it can, and keeps no labels but what it exposes. */
export const scrape = (target: string): object => ({
  global: { scrape_interval: "1s", evaluation_interval: "1s" },
  scrape_configs: [{ job_name: "collector", honor_labels: true, static_configs: [{ targets: [target] }] }],
});

/** Starts Prometheus with an empty store. @param config Its configuration, as JSON. */
export async function startPrometheus(
  program: string,
  folder: string,
  config: object,
  flags: readonly string[] = [],
): Promise<Prometheus> {
  const url = `http://127.0.0.1:${await freePort()}`;
  // JSON is YAML.
  writeFileSync(join(folder, "prometheus.yml"), JSON.stringify(config));
  const args = [
    "--config.file=prometheus.yml",
    "--storage.tsdb.path=data",
    `--web.listen-address=${new URL(url).host}`,
    ...flags,
  ];
  const started = await startProgram(program, args, { cwd: folder, isReady: () => answers(`${url}/-/ready`) });
  return { ...started, url, samples: (selector) => query(url, `${selector}[1h]`) };
}

async function query(url: string, promql: string): Promise<readonly Series[]> {
  const time = Math.floor(Date.now() / 1_000) + AHEAD_S;
  const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(promql)}&time=${time}`);
  if (!answer.ok) throw new Error(`${promql}: ${answer.status} ${await answer.text()}`);
  const { data } = (await answer.json()) as Answer;
  return data.result.map(({ metric, values }) => ({
    labels: metric,
    values: values.map(([, text]) => Number(text)),
  }));
}

/** What counters have counted by a label, in units of 1e-9. */
export function countedBy(series: readonly Series[], label: string): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const one of series) {
    const group = one.labels[label] ?? "none";
    sums[group] = (sums[group] ?? 0) + counted(one);
  }
  return sums;
}

/** The first value, and every rise; a fall is a restart, after which it rises from 0. */
function counted({ values }: Series): number {
  const rises = values.map((value, index) => {
    const before = values[index - 1] ?? 0;
    return value < before ? value : value - before;
  });
  return Math.round(rises.reduce((sum, rise) => sum + rise, 0) * 1e9);
}
