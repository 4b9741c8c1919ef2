import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { readAssets } from "../../src/datadog/assets.ts";
import { resold } from "../../src/demo/fake-vendor/billing-account.ts";
import type { Clock } from "../../src/sandbox/clock.ts";
import { draw } from "../../src/sandbox/draw.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { startSandboxServer } from "../../src/sandbox/server.ts";
import { callFor } from "../billing/late/calls.ts";
import { type App, type LateStage, meteredIn, runPoller, setLateStage, startApp } from "../billing/late/stage.ts";
import { startOtlpReceiver } from "../servers/otlp-receiver.ts";

const folder = mkdtempSync(join(tmpdir(), "spendfuse-settler-"));
const BUDGETS: NonNullable<ConfigFile["budgets"]> = [
  { name: "agent day", scope: { agent: "*" }, per: "day", usd: 5 },
  { name: "agent tokens", scope: { agent: "*" }, per: "day", tokens: 1_000_000 },
  { name: "all calls", per: "day", calls: 1_000 },
];
let stage: LateStage;
let apps: App[] = [];

beforeEach(async () => {
  stage = await setLateStage();
  stage.aheadMs = 0;
});
afterEach(async () => {
  await Promise.all(apps.map(({ runtime }) => runtime.stop()));
  apps = [];
  await stage.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function start(more: ConfigFile = {}, env: Record<string, string> = {}, telemetry = false): Promise<App> {
  const app = await startApp(
    stage,
    { billing: { settle: true }, budgets: BUDGETS, ...more },
    { ...stage.env, SPENDFUSE_STATE_DIR: mkdtempSync(join(folder, "state-")), ...env },
    telemetry,
  );
  apps.push(app);
  return app;
}

async function leave(app: App, chunks: number): Promise<void> {
  await callFor(app, stage.vendor, "openrouter", { chunks });
  await stage.vendor.idle();
  await app.runtime.flush();
}

const costOf = ({ runtime }: App): number | undefined =>
  runtime.ledger.sums("agent:researcher", "day", Date.now())?.cost;
const spentOf = ({ runtime }: App): Record<string, number> =>
  Object.fromEntries(runtime.budgets().map(({ budget, spent }) => [budget, spent]));
const truth = (): number => stage.bill().reduce((sum, { cost }) => sum + resold(cost), 0);
const tokens = (): number => stage.bill().reduce((sum, one) => sum + one.tokens.uncached + one.tokens.output, 0);

describe("a process corrects its calls once they have settled", () => {
  test.each<readonly [string, ConfigFile]>([
    ["in a store", {}],
    ["in its own memory", { store: "memory" }],
  ])("asking the vendor itself, %s: ledger and budgets, once", async (_, more) => {
    const app = await start(more);
    await leave(app, 30);
    await leave(app, 5);
    const before = spentOf(app);
    expect(costOf(app)).not.toBe(truth());
    expect(before["agent day"]).toBe(costOf(app));
    for (let time = 0; time < 3; time += 1) {
      await app.runtime.settle();
      expect(costOf(app)).toBe(truth());
      expect(spentOf(app)).toEqual({ "agent day": truth(), "agent tokens": tokens(), "all calls": 2 });
      expect(app.runtime.ledger.sums("all", "ever", Date.now())).toMatchObject({ calls: 2, cost: truth() });
    }
    if (more.store === undefined)
      expect(await meteredIn(stage.store)).toEqual({ settled: { calls: 2, cost: truth() } });
  });

  test("after the poller has settled them: what its metrics count it publishes itself", async () => {
    const receiver = await startOtlpReceiver();
    const otlp = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" };
    const app = await start({ billing: {} }, otlp, true);
    await leave(app, 30);
    const { sent } = await runPoller(stage);
    expect(sent.length).toBeGreaterThan(0);
    await app.runtime.settle();
    await app.runtime.flush();
    expect(costOf(app)).toBe(truth());
    expect(spentOf(app)["agent day"]).toBe(truth());
    expect(receiver.points("spendfuse.calls").length).toBeGreaterThan(0);
    expect(receiver.points("spendfuse.settled_calls")).toEqual([]);
    await receiver.close();
  });

  test("counted in the metrics, and written below the call's span", async () => {
    const receiver = await startOtlpReceiver();
    const otlp = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" };
    const app = await start({}, otlp, true);
    await leave(app, 30);
    const estimate = costOf(app) ?? 0;
    await app.runtime.settle();
    await app.runtime.settle();
    await app.runtime.flush();
    const net = receiver.total("spendfuse.cost") - usdToNano(receiver.total("spendfuse.overestimated_cost"));
    expect(net).toBe(truth());
    expect(receiver.total("spendfuse.settled_calls")).toBe(1);
    const call = receiver.spans.find(({ name }) => name === "chat gpt-5");
    const settled = receiver.spans.filter(({ name }) => name === "spendfuse.settle");
    expect(settled).toMatchObject([
      {
        traceId: call?.traceId,
        parentSpanId: call?.spanId,
        attributes: {
          "spendfuse.quality": "settled",
          "spendfuse.settled_cost": String(truth() / 1e9),
          "spendfuse.correction": String((truth() - estimate) / 1e9),
          "gen_ai.response.id": call?.attributes["gen_ai.response.id"],
        },
      },
    ]);
    // A sum over calls must not count it twice.
    expect(settled[0]?.attributes["gen_ai.usage.cost.amount"]).toBeUndefined();
    await receiver.close();
  });

  test("seen on the dashboard of the sandbox", async () => {
    const clock: Clock = {
      type: "real",
      speed: 1,
      now: () => Date.now() / 1_000,
      at: (moment) => moment,
      advance() {},
    };
    const sandbox = createSandbox({ clock });
    const server = await startSandboxServer(sandbox, { port: 0 });
    const app = await start({}, { OTEL_EXPORTER_OTLP_ENDPOINT: server.url }, true);
    await leave(app, 30);
    const estimate = costOf(app) ?? 0;
    await app.runtime.settle();
    await app.runtime.flush();
    const shown = sumsIn("Cost corrected by the vendors", sandbox.store);
    expect(shown["Calls settled"]).toBe(1);
    const change = (shown["Estimated too low"] ?? 0) - (shown["Estimated too high"] ?? 0);
    expect(Math.round(change * 1e9)).toBe(truth() - estimate);
    await server.close();
  });

  test("a key that the vendor refuses is said once, and the calls stay estimated", async () => {
    const app = await start({}, { OPENROUTER_API_KEY: "sk-or-wrong" });
    await leave(app, 30);
    const estimate = costOf(app);
    await app.runtime.settle();
    await app.runtime.settle();
    expect(app.said.filter((line) => line.includes("do not settle"))).toEqual([
      expect.stringContaining("OPENROUTER_API_KEY"),
    ]);
    expect(stage.openrouter.seen).toHaveLength(1);
    expect(costOf(app)).toBe(estimate);
  });

  test("without a key in the environment that is said", async () => {
    const app = await start({}, { OPENAI_ADMIN_KEY: "", ANTHROPIC_ADMIN_KEY: "", OPENROUTER_API_KEY: "" });
    await leave(app, 3);
    await app.runtime.settle();
    expect(app.said.filter((line) => line.includes("billing.settle"))).toHaveLength(1);
  });
});

function usdToNano(usd: number): number {
  return Math.round(usd * 1e9);
}

/** What the lines of a widget of the shipped dashboards add up to, by name. */
function sumsIn(title: string, store: Parameters<typeof draw>[1]): Readonly<Record<string, number>> {
  const now = Math.floor(Date.now() / 1_000);
  const variables = { agent: "*", team: "*", provider: "*", model: "*" };
  const sums: Record<string, number> = {};
  for (const request of requestsOf(title)) {
    const answer = draw({ request, from: now - 600, to: now + 60, variables, points: 20 }, store);
    expect(answer.fault).toBeUndefined();
    for (const { label, values } of answer.series as readonly Line[])
      sums[label] = values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  }
  return sums;
}

interface Line {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

interface Drawn {
  readonly definition: {
    readonly title?: string;
    readonly requests?: readonly Record<string, unknown>[];
    readonly widgets?: readonly Drawn[];
  };
}

function requestsOf(title: string): readonly Record<string, unknown>[] {
  const groups = readAssets().flatMap(({ json }) => (json.widgets ?? []) as readonly Drawn[]);
  const widgets = groups.flatMap(({ definition }) => definition.widgets ?? []);
  return widgets.find(({ definition }) => definition.title === title)?.definition.requests ?? [];
}
