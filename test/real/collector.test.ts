import { mkdirSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { METRICS } from "../../src/core/names.ts";
import { PACKAGE_ROOT } from "../../src/package/root.ts";
import { needGo } from "../apps/go.ts";
import { eventually } from "../eventually.ts";
import { clearStage, type Stage, setStage } from "../package/stage.ts";
import { playTokens, spendAsFleet } from "./fleet/agents.ts";
import { datadogOverOtlp, shipped, startCollector } from "./fleet/collector.ts";
import { COLLECTOR_HOST, type MappedPoint, startMapping, sumBy, tagOf } from "./fleet/mapping.ts";
import { needProgram, type Program } from "./fleet/program.ts";
import { countedBy, scrape, startPrometheus } from "./fleet/prometheus.ts";

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
  // A busy machine may take long to answer: what is sent again arrives after newer points.
  OTEL_EXPORTER_OTLP_TIMEOUT: "60000",
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

const COST = "spendfuse_cost_USD_total";
const PUNCTUAL = `${COST}{agent!="latecomer"}`;

describe("agents, the Collector with our configuration for Prometheus, Prometheus", () => {
  test.for([2, 3])("%i processes, scraped: every nano-dollar", async (count, context) => {
    const programs = await needGo(context, "collector");
    const program = needProgram(context, "prometheus");
    const folder = newFolder("scraped");
    const collector = started(await startCollector(programs, folder, shipped("prometheus")));
    const prometheus = started(await startPrometheus(program, folder, scrape(collector.scraped)));
    const { byAgent, byProcess } = await spendAsFleet(stage, count, sendTo(collector.url, folder));
    await eventually(async () => expect(countedBy(await prometheus.samples(COST), "agent")).toEqual(byAgent));
    expect(countedBy(await prometheus.samples(PUNCTUAL), "process")).toEqual(byProcess);
  });
});

describe("agents that send cumulative metrics, Prometheus's own OTLP endpoint", () => {
  test.for([2, 3])("%i processes: every nano-dollar", async (count, context) => {
    const programs = await needGo(context, "prometheus", ["github.com/prometheus/prometheus/cmd/prometheus"]);
    const folder = newFolder("otlp");
    const config = { storage: { tsdb: { out_of_order_time_window: "1h" } } };
    const flags = ["--web.enable-otlp-receiver"];
    const prometheus = started(await startPrometheus(join(programs, "prometheus"), folder, config, flags));
    const { byAgent, byProcess } = await spendAsFleet(stage, count, {
      ...sendTo(`${prometheus.url}/api/v1/otlp`, folder),
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: "cumulative",
      OTEL_TRACES_EXPORTER: "none",
    });
    await eventually(async () => expect(countedBy(await prometheus.samples(COST), "agent")).toEqual(byAgent));
    expect(countedBy(await prometheus.samples(PUNCTUAL), "process")).toEqual(byProcess);
  });
});

test("each configuration that is shipped for the Collector starts in it", async (context) => {
  const programs = await needGo(context, "collector");
  const files = readdirSync(join(PACKAGE_ROOT, "examples/collector")).filter((file) => file.endsWith(".yaml"));
  // The Datadog Agent is another program, which cannot be had here.
  expect(files.sort()).toEqual(["datadog-agent.yaml", "datadog.yaml", "prometheus.yaml"]);
  // With `otlp_http` in the place of the exporter `datadog`.
  for (const config of [shipped("prometheus"), datadogOverOtlp("http://127.0.0.1:9")]) {
    const collector = await startCollector(programs, newFolder("starts"), config);
    await collector.stop();
    expect(collector.output()).not.toMatch(/\t(?:error|warn)\t|deprecated/);
  }
});
