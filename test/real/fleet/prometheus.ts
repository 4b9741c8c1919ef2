import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../servers/redis.ts";
import { answers, type Program, startProgram } from "./program.ts";

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** Value and, for a range, all values in order. */
  readonly values: readonly number[];
}

export interface Prometheus extends Program {
  readonly url: string;
  /** The series of a query at this moment; each has the values of a range, or one. */
  query(promql: string): Promise<readonly Series[]>;
}

interface Answer {
  readonly data: {
    readonly result: readonly {
      readonly metric: Record<string, string>;
      readonly value?: readonly [number, string];
      readonly values?: readonly (readonly [number, string])[];
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
  return { ...started, url, query: (promql) => query(url, promql) };
}

async function query(url: string, promql: string): Promise<readonly Series[]> {
  const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(promql)}`);
  if (!answer.ok) throw new Error(`${promql}: ${answer.status} ${await answer.text()}`);
  const { data } = (await answer.json()) as Answer;
  return data.result.map(({ metric, value, values = value ? [value] : [] }) => ({
    labels: metric,
    values: values.map(([, text]) => Number(text)),
  }));
}

/** What a counter has counted, in units of 1e-9: its first value, and every rise; after a restart it rises from 0. */
export function counted({ values }: Series): number {
  const rises = values.map((value, index) => {
    const before = values[index - 1] ?? 0;
    return value < before ? value : value - before;
  });
  return Math.round(rises.reduce((sum, rise) => sum + rise, 0) * 1e9);
}
