import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE_ROOT } from "../../../src/package/root.ts";
import { freePort } from "../../servers/redis.ts";
import { type Program, startProgram } from "./program.ts";

export interface Collector extends Program {
  /** Where agents send. */
  readonly url: string;
  /** Where its Prometheus exporter is scraped, when the configuration has one. */
  readonly scraped: string;
}

/** A configuration of `examples/collector` as it is shipped. */
export const shipped = (name: string): string =>
  readFileSync(join(PACKAGE_ROOT, "examples/collector", `${name}.yaml`), "utf8");

/**
 * The shipped configuration for Datadog, which sends to `url` over OTLP: `datadogexporter` is not among the Go modules
 * that can be had. All else stays as it is.
 * @throws Error when the file no longer has these lines.
 */
export function datadogOverOtlp(url: string): string {
  const exporter = /^ {2}datadog:\n(?: {4}.*\n)+/m;
  const config = shipped("datadog");
  const uses = config.split("exporters: [datadog]").length - 1;
  if (!exporter.test(config) || uses !== 2) throw new Error("examples/collector/datadog.yaml has changed");
  return config
    .replace(exporter, `  otlp_http:\n    endpoint: ${url}\n    compression: none\n`)
    .replaceAll("exporters: [datadog]", "exporters: [otlp_http]");
}

/**
 * Starts a Collector with a configuration of ours, which listens on free ports of this machine alone.
 * @param folder Where its files go.
 */
export async function startCollector(programs: string, folder: string, config: string): Promise<Collector> {
  const [port, scrapedPort] = [await freePort(), await freePort()];
  const local = config
    .replaceAll("0.0.0.0:4318", `127.0.0.1:${port}`)
    .replaceAll("0.0.0.0:9464", `127.0.0.1:${scrapedPort}`);
  writeFileSync(join(folder, "collector.yaml"), local);
  // Its own metrics would take port 8888.
  writeFileSync(join(folder, "quiet.yaml"), "service: { telemetry: { metrics: { level: none } } }\n");
  const args = ["--config=file:collector.yaml", "--config=file:quiet.yaml"];
  const program = await startProgram(join(programs, "collector"), args, {
    cwd: folder,
    isReady: (output) => output.includes("Everything is ready"),
  });
  return { ...program, url: `http://127.0.0.1:${port}`, scraped: `127.0.0.1:${scrapedPort}` };
}
