import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { METRICS } from "../../src/core/names.ts";
import { needGo } from "../apps/go.ts";
import { eventually } from "../eventually.ts";
import { clearStage, type Stage, setStage } from "../package/stage.ts";
import { playTokens, spendAsFleet } from "./fleet/agents.ts";
import { datadogOverOtlp, shipped, startCollector } from "./fleet/collector.ts";
import { COLLECTOR_HOST, type MappedPoint, startMapping, sumBy, tagOf } from "./fleet/mapping.ts";
import { needProgram, type Program } from "./fleet/program.ts";
import { counted, scrape, startPrometheus } from "./fleet/prometheus.ts";

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

/** What the library adds to each point from the resource. */
const OF_RESOURCE = ["service", "service.instance.id"];
const TYPES = { counter: "count", gauge: "gauge", histogram: "distribution" } as const;
const keysOf = ({ tags }: MappedPoint): readonly string[] => tags.map((tag) => tag.slice(0, tag.indexOf(":")));

/** What is wrong with a point, by what our list of metrics says of it. */
function faultOf(point: MappedPoint): string | undefined {
  const metric = Object.values(METRICS).find(({ name }) => name === point.name);
  if (metric === undefined) return "no metric of ours";
  if (point.type !== TYPES[metric.kind]) return `a ${point.type}, and not a ${metric.kind}`;
  if (point.time % 1e9 !== 0) return `at ${point.time}, which is no whole second`;
  if (point.host !== COLLECTOR_HOST) return `of the host ${point.host}`;
  const known = [...metric.attributes, ...OF_RESOURCE];
  const unknown = keysOf(point).filter((key) => !known.includes(key));
  return unknown.length > 0 ? `with the tags ${unknown}` : undefined;
}

describe("agents, the Collector with our configuration for Datadog, Datadog's own mapping", () => {
  test.for([2, 3])(
    "%i processes: every nano-dollar, as counts with our tags at whole seconds",
    async (count, context) => {
      const programs = await needGo(context, "collector");
      const folder = newFolder("datadog");
      const mapping = started(await startMapping(programs, folder));
      const collector = started(await startCollector(programs, folder, datadogOverOtlp(mapping.url)));
      const { byAgent, byProcess } = await spendAsFleet(stage, count, sendTo(collector.url, folder));
      await eventually(() => expect(mapping.kept("spendfuse.cost", "agent")).toEqual(byAgent));
      const spentByProcess = sumBy(mapping.keptPoints("spendfuse.cost"), ({ tags }) =>
        tagOf(tags, "agent") === "latecomer" ? undefined : tagOf(tags, "process"),
      );
      expect(spentByProcess).toEqual(byProcess);

      const ours = mapping.points().filter(({ name }) => name.startsWith("spendfuse."));
      expect(ours.flatMap((point) => faultOf(point) ?? [])).toEqual([]);
      expect([...new Set(ours.map(({ name }) => name))]).toEqual(
        expect.arrayContaining(["spendfuse.cost", "spendfuse.tokens", "spendfuse.calls"]),
      );
      const spend = ["agent", "root_agent", "provider", "model", "quality", "process", ...OF_RESOURCE];
      for (const point of mapping.points("spendfuse.cost")) expect(keysOf(point)).toEqual(spend);
      expect(mapping.points("gen_ai.client.inference.duration")).toContainEqual(
        expect.objectContaining({ type: "distribution", unit: "second" }),
      );
    },
  );
});

describe("agents, the Collector with our configuration for Prometheus, Prometheus", () => {
  test.for([2, 3])("%i processes, scraped: every nano-dollar", async (count, context) => {
    const programs = await needGo(context, "collector");
    const program = needProgram(context, "prometheus");
    const folder = newFolder("prometheus");
    const collector = started(await startCollector(programs, folder, shipped("prometheus")));
    const prometheus = started(await startPrometheus(program, folder, scrape(collector.scraped)));
    const { byAgent, byProcess } = await spendAsFleet(stage, count, sendTo(collector.url, folder));
    const sums = async (by: string, of = ""): Promise<Record<string, number>> => {
      const series = await prometheus.query(`sum by (${by}) (spendfuse_cost_USD_total${of})`);
      return Object.fromEntries(series.map((one) => [one.labels[by], counted(one)]));
    };
    await eventually(async () => expect(await sums("agent")).toEqual(byAgent));
    expect(await sums("process", '{agent!="latecomer"}')).toEqual(byProcess);
  });
});
