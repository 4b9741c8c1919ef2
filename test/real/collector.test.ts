import { mkdirSync, mkdtempSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { METRICS } from "../../src/core/names.ts";
import { needGo } from "../apps/go.ts";
import { eventually } from "../eventually.ts";
import { clearStage, type Stage, setStage } from "../package/stage.ts";
import { playTokens, spendAsFleet } from "./fleet/agents.ts";
import { datadogOverOtlp, shipped, startCollector } from "./fleet/collector.ts";
import { type MappedPoint, startMapping, tagOf } from "./fleet/mapping.ts";
import type { Program } from "./fleet/program.ts";

let stage: Stage;
const running: Program[] = [];
beforeAll(async () => {
  stage = await setStage(["empty"]);
  playTokens(stage);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((program) => program.stop()));
});
afterAll(() => stage && clearStage(stage));

function newFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  mkdirSync(join(folder, "state"));
  return folder;
}

function started<T extends Program>(program: T): T {
  running.push(program);
  return program;
}

/** The environment of a fleet's processes, which share a state directory. */
const sendTo = (url: string, folder: string): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_METRIC_EXPORT_INTERVAL: "500",
  OTEL_SERVICE_NAME: "bots",
  SPENDFUSE_STATE_DIR: join(folder, "state"),
});

describe("agents, the Collector with our configuration for Datadog, Datadog's own mapping", () => {
  test.for([2, 3])("%i processes: every nano-dollar, as counts with our tags at whole seconds", async (count, context) => {
    const programs = await needGo(context, "collector");
    const folder = newFolder("datadog");
    const mapping = started(await startMapping(programs, folder));
    const collector = started(await startCollector(programs, folder, datadogOverOtlp(mapping.url)));
    const spent = await spendAsFleet(stage, count, sendTo(collector.url, folder));
    await eventually(() => expect(mapping.kept("spendfuse.cost", "agent")).toEqual(spent));
    console.log([...new Set(mapping.points().map((p) => `${p.name} ${p.type} ${p.unit} ${p.host} ${p.tags.join(" ")}`))].join("\n"));
  });
});
