import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { needGo } from "../apps/go.ts";
import { eventually } from "../eventually.ts";
import { clearStage, type Stage, setStage } from "../package/stage.ts";
import { type Agent, playTokens, startAgent } from "./fleet/agents.ts";
import { startAlertmanager } from "./fleet/alertmanager.ts";
import { startBreaker, writeRules } from "./fleet/breaker.ts";
import { shipped, startCollector } from "./fleet/collector.ts";
import { needProgram, type Program } from "./fleet/program.ts";
import { scrape, startPrometheus } from "./fleet/prometheus.ts";

const SECRET = "a secret of the fleet";
const MONITOR = "agent_hourly_spend";
const LIMIT = "agent_hourly_usd";
/** $0.0045 each. */
const TASK = { agent: "researcher", calls: 1, input: 10_000, output: 1_000 };

let stage: Stage;
const running: Program[] = [];
const agents: Agent[] = [];
beforeAll(async () => {
  stage = await setStage(["empty"]);
  playTokens(stage);
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.end()));
  await Promise.all(running.map((program) => program.stop()));
  if (stage) await clearStage(stage);
});

function started<T extends Program>(program: T): T {
  running.push(program);
  return program;
}

/** Generated rules, which are evaluated every two seconds in place of every minute. */
async function layRules(folder: string, limit: number): Promise<string> {
  const file = await writeRules(stage, folder, MONITOR, `${LIMIT}=${limit}`);
  const rules = readFileSync(file, "utf8");
  expect(rules).toContain('interval: "1m"');
  writeFileSync(file, rules.replaceAll('interval: "1m"', 'interval: "2s"'));
  return file;
}

test("an agent that spends too much is refused through Collector, Prometheus, Alertmanager and breaker", async (context) => {
  const programs = await needGo(context, "collector");
  const [prometheusProgram, alertmanagerProgram] = ["prometheus", "prometheus-alertmanager"].map((name) =>
    needProgram(context, name),
  ) as [string, string];
  const folder = mkdtempSync(join(tmpdir(), "alerts-"));
  mkdirSync(join(folder, "state"));
  const breaker = started(await startBreaker(stage, folder, SECRET));
  const alertmanager = started(await startAlertmanager(alertmanagerProgram, folder, breaker.url, SECRET));
  const collector = started(await startCollector(programs, folder, shipped("prometheus")));
  const prometheus = started(
    await startPrometheus(prometheusProgram, folder, {
      ...scrape(collector.scraped),
      rule_files: [await layRules(folder, 0.004)],
      alerting: { alertmanagers: [{ static_configs: [{ targets: [alertmanager.target] }] }] },
    }),
  );
  const agent = await startAgent(stage, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_METRIC_EXPORT_INTERVAL: "500",
    SPENDFUSE_STATE_DIR: join(folder, "state"),
    SPENDFUSE_BREAKER_URL: breaker.url,
  });
  agents.push(agent);

  const firstDollar = Date.now();
  expect(await agent.spend(TASK)).toEqual([200]);
  await eventually(async () => expect(await agent.spend({ ...TASK, input: 1, output: 1 })).toEqual([402]));
  console.log(`refused ${((Date.now() - firstDollar) / 1_000).toFixed(1)} s after the first dollar`);
  const opened = await breaker.circuits();
  expect(opened).toMatchObject([{ scope: "agent:researcher", state: "open", by: "alert SpendfuseAgentHourlySpend" }]);
  expect(await agent.spend({ ...TASK, agent: "writer", input: 1, output: 1 })).toEqual([200]);

  // Alertmanager repeats what still fires.
  const before = await alertmanager.notifications();
  await eventually(async () => expect(await alertmanager.notifications()).toBeGreaterThan(before + 1));
  expect(await breaker.circuits()).toEqual(opened);

  // The limit is raised: the alert is resolved, and the circuit keeps to its rules.
  await layRules(folder, 1_000);
  const raised = Date.now();
  prometheus.reload();
  const until = opened[0]?.until ?? 0;
  await eventually(async () => expect((await breaker.circuits())[0]?.until).toBeLessThan(until));
  const [resolved] = await breaker.circuits();
  expect(resolved).toMatchObject({ scope: "agent:researcher", state: "open" });
  expect(resolved?.until).toBeGreaterThan(raised + 30_000);
  expect(await agent.spend(TASK)).toEqual([402]);
  await eventually(async () => expect(await agent.spend({ ...TASK, input: 1, output: 1 })).toEqual([200]));
  expect(Date.now()).toBeGreaterThanOrEqual(resolved?.until ?? Number.POSITIVE_INFINITY);
});
