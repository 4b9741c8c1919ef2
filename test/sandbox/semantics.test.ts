import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { schemaFault } from "../../src/datadog/schema/monitor.ts";
import { createCustomCosts } from "../../src/sandbox/account/custom-costs.ts";
import { realClock } from "../../src/sandbox/clock.ts";
import { draw } from "../../src/sandbox/draw.ts";
import { takeMetrics } from "../../src/sandbox/intake/otlp.ts";
import { createRateLimiter } from "../../src/sandbox/intake/rate-limits.ts";
import { takeSeries } from "../../src/sandbox/intake/v2-series.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { SEMANTICS } from "../../src/sandbox/semantics.ts";
import { normalizeTag } from "../../src/sandbox/series/tags.ts";
import { startSandboxServer } from "../../src/sandbox/server.ts";
import { createStage, START } from "./stage.ts";

const SUM = "sum(last_10m):sum:m{*}.as_count() > 10";
const BY_AGENT = "sum(last_10m):sum:m{*} by {agent}.as_count() > 10";
const GAUGE = "avg(last_10m):avg:m{*} > 10";
const a = ["agent:a"];
const every = () => true;

/** The total of a metric that the store holds. */
function total(stage: ReturnType<typeof createStage>, metric = "m"): number {
  return stage.store
    .select(metric, every)
    .reduce((sum, { cells }) => sum + cells.raw.values.reduce((x, y) => x + y, 0), 0);
}

function otlp(data: object, resource: Record<string, string> = {}, config = {}) {
  const stage = createStage();
  const attributes = Object.entries(resource).map(([key, stringValue]) => ({ key, value: { stringValue } }));
  const request = {
    resourceMetrics: [{ resource: { attributes }, scopeMetrics: [{ metrics: [{ name: "m", ...data }] }] }],
  };
  const partial = takeMetrics(request, config, stage.store, (seconds) => seconds);
  return { stage, partial, series: stage.store.select("m", every) };
}
const point = (asDouble: number) => ({ timeUnixNano: `${START}000000000`, asDouble });

/** One hand-computed case a row. */
const ROWS: Readonly<Record<string, () => void | Promise<void>>> = {
  "last write wins"() {
    const stage = createStage();
    stage.write("m", 0, 5, a);
    stage.write("m", 0.01, 7, a); // 0.6 s later: the same second
    expect(total(stage)).toBe(7);
    stage.write("m", 0, 5, ["agent:b"]);
    expect(total(stage)).toBe(12);
  },
  "late points"() {
    const stage = createStage();
    stage.write("m", -60, 1);
    stage.write("m", -61, 2);
    stage.write("m", 10, 4);
    stage.write("m", 11, 8);
    expect(total(stage)).toBe(5);
    expect(stage.store.dropped).toEqual({ late: 1, future: 1 });
  },
  "historical ingestion"() {
    const stage = createStage({ historical: ["m"] });
    const day = -30 * 1_440;
    stage.write("m", day, 3, [], "gauge");
    stage.write("m", day, 4, [], "gauge");
    stage.store.compact();
    expect(total(stage)).toBe(4);
    stage.write("m", -500 * 1_440, 1);
    expect(stage.store.dropped).toEqual({ late: 1 });
  },
  tags() {
    expect(normalizeTag("Agent:Invoice Bot#1")).toBe("agent:invoice_bot_1");
    expect(normalizeTag("agent:x:")).toBe("agent:x");
    expect(normalizeTag(`agent:${"x".repeat(300)}`)).toHaveLength(200);
    const stage = createStage();
    stage.write("m", 0, 1, ["Agent:A", "team:b"]);
    stage.write("m", 0, 2, ["team:B", "agent:a"]);
    expect(total(stage)).toBe(2);
  },
  delta() {
    const sum = otlp({ sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints: [point(2)] } });
    expect(sum.series[0]).toMatchObject({ type: "count" });
    expect(otlp({ gauge: { dataPoints: [point(2)] } }).series[0]).toMatchObject({ type: "gauge" });
    const upDown = otlp({ sum: { aggregationTemporality: 2, dataPoints: [point(2)] } });
    expect(upDown.series[0]).toMatchObject({ type: "gauge" });
  },
  "running totals"() {
    const { partial, series } = otlp({ sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [point(2)] } });
    expect(series).toEqual([]);
    expect(partial).toEqual({
      rejectedDataPoints: 1,
      errorMessage: "does not accept cumulative monotonic sum metrics",
    });
  },
  "resource attributes"() {
    const resource = { "service.name": "shop", "service.instance.id": "i-1" };
    const gauge = { gauge: { dataPoints: [point(1)] } };
    expect([...(otlp(gauge, resource).series[0]?.tags ?? [])]).toEqual([["service", ["shop"]]]);
    const all = otlp(gauge, resource, { resource_attributes_as_tags: true }).series[0]?.tags;
    expect(all?.get("service.instance.id")).toEqual(["i-1"]);
  },
  async sizes() {
    const server = await startSandboxServer(createSandbox({ clock: realClock() }), { port: 0 });
    const send = async (path: string, body: Buffer, headers: Record<string, string> = {}) => {
      const response = await fetch(server.url + path, { method: "POST", body: new Uint8Array(body), headers });
      await response.arrayBuffer();
      return response.status;
    };
    const padded = (bytes: number) => Buffer.from(`{"resourceMetrics":[]}${" ".repeat(bytes - 22)}`);
    try {
      expect(await send("/v1/metrics", padded(512_000))).toBe(200);
      expect(await send("/v1/metrics", padded(512_001))).toBe(413);
      expect(await send("/v1/metrics", gzipSync(padded(5_242_880)), { "content-encoding": "gzip" })).toBe(200);
      expect(await send("/v1/metrics", gzipSync(padded(5_242_881)), { "content-encoding": "gzip" })).toBe(413);
      expect(await send("/v1/traces", Buffer.from("{}"), { "dd-api-key": "k" })).toBe(415);
      expect(await send("/v1/traces", Buffer.alloc(3_200_001), { "content-type": "application/x-protobuf" })).toBe(413);
    } finally {
      await server.close();
    }
  },
  "rate limits"() {
    let now = 1_000_000_000.5;
    const limiter = createRateLimiter({ requests: 2, period: 60 }, () => now);
    const left = (method: string, path: string) => {
      const taken = limiter.take(method, path);
      return [taken?.headers["x-ratelimit-remaining"], taken?.refusal?.status];
    };
    expect(left("GET", "/api/v1/monitor")).toEqual(["1", undefined]);
    expect(left("PUT", "/api/v1/monitor/7")).toEqual(["0", undefined]);
    expect(limiter.take("POST", "/api/v1/monitor")?.refusal).toEqual({
      status: 429,
      body: { errors: ["Too many requests"] },
      // Periods are aligned to the calendar: a minute ends at 1,000,000,020.
      headers: {
        "x-ratelimit-limit": "2",
        "x-ratelimit-period": "60",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "20",
        "x-ratelimit-name": "monitor_v1",
      },
    });
    expect(left("GET", "/api/v1/dashboard")).toEqual(["1", undefined]);
    now += 20;
    expect(left("GET", "/api/v1/monitor")).toEqual(["1", undefined]);
    for (const path of ["/v1/metrics", "/api/v2/series", "/api/v1/events"])
      expect(limiter.take("POST", path)).toBeUndefined();
  },
  "202 with errors"() {
    const stage = createStage();
    const points = [
      { timestamp: START, value: 1 },
      { timestamp: START, value: "2" },
    ];
    const answer = takeSeries({ series: [{ metric: "m", type: 1, points }, { metric: "" }] }, stage.store, (s) => s);
    expect(answer).toEqual({
      status: 202,
      body: { errors: ["series[0]: 1 points without a number", 'series[1]: "metric" must be a name'] },
    });
    expect(total(stage)).toBe(1);
  },
  async as_count() {
    const stage = createStage();
    stage.watch("sum(last_10m):sum:a{*}.as_count() / sum:b{*}.as_count() > 100");
    // Minute by minute 1/1 and 9/3: a sum of shares would be 4, the share of the sums is 10/4.
    await stage.run(2, (minute) => {
      stage.write("a", minute, minute === 0 ? 1 : 9);
      stage.write("b", minute, minute === 0 ? 1 : 3);
    });
    expect(stage.value()).toBe(2.5);
  },
  async default_zero() {
    const stage = createStage();
    stage.watch("sum(last_10m):default_zero(sum:a{*} by {agent}.as_count()) / sum:b{*} by {agent}.as_count() >= 0.5");
    await stage.run(30, (minute) => {
      if (minute === 0) stage.write("b", 0, 4, a);
      if (minute === 1) stage.write("a", 1, 3, a);
    });
    // 0/4, then 3/4, then nothing in the window, which is zero.
    expect(stage.lines).toEqual(["2 agent:a Triggered", "11 agent:a Recovered"]);
    for (const options of [{ on_missing_data: "show_and_notify_no_data" }, { notify_no_data: true }]) {
      const zeroed = createStage();
      zeroed.watch("max(last_10m):default_zero(max:m{*}) > 10", options);
      await zeroed.run(30, (minute) => minute === 0 && zeroed.write("m", 0, 11, [], "gauge"));
      expect(zeroed.lines).toEqual(["1 * Triggered", "11 * Recovered"]);
    }
  },
  async "cumulative windows"() {
    // 09:00 UTC is 10:00 in Berlin; the day begins at 11:00 there, two hours are left of the one before.
    const stage = createStage();
    stage.watch("sum(current_1d):sum:m{*}.as_count() > 10", {
      scheduling_options: { evaluation_window: { day_starts: "11:00", timezone: "Europe/Berlin" } },
    });
    await stage.run(90, (minute) => minute === 5 && stage.write("m", 5, 11));
    expect(stage.lines).toEqual(["10 * Triggered", "60 * Recovered"]);
    const month = createStage({ start: Date.UTC(2026, 10, 14, 23) / 1_000 });
    month.watch("sum(current_1mo):sum:m{*}.as_count() > 10", {
      scheduling_options: { evaluation_window: { day_starts: "00:00", month_starts: 15 } },
    });
    await month.run(90, (minute) => minute === 5 && month.write("m", 5, 11));
    expect(month.lines).toEqual(["30 * Triggered", "60 * Recovered"]);
  },
  async current_1h() {
    const stage = createStage();
    stage.watch("sum(current_1h):sum:m{*}.as_count() > 10");
    await stage.run(70, (minute) => minute === 50 && stage.write("m", 50, 11));
    expect(stage.lines).toEqual(["51 * Triggered", "60 * Recovered"]);
    const half = createStage();
    half.watch("sum(current_1h):sum:m{*}.as_count() > 10", {
      scheduling_options: { evaluation_window: { hour_starts: 30 } },
    });
    await half.run(100, (minute) => minute === 50 && half.write("m", 50, 11));
    expect(half.lines).toEqual(["51 * Triggered", "90 * Recovered"]);
  },
  async change() {
    const stage = createStage();
    stage.watch("change(sum(last_5m),10m_ago):sum:m{*}.as_count() > 2");
    // Nothing to compare with is zero: 3 at minute 3. From minute 10 on twice as much, 10 less 5; at 23 it is 10 less 8.
    await stage.run(30, (minute) => stage.write("m", minute, minute < 10 ? 1 : 2));
    expect(stage.lines).toEqual(["3 * Triggered", "23 * Recovered"]);
    const share = createStage();
    share.watch("pct_change(sum(last_5m),10m_ago):sum:m{*}.as_count() > 99");
    await share.run(15, (minute) => share.write("m", minute, minute < 10 ? 1 : 2));
    expect(share.value()).toBe(100);
  },
  async "how often"() {
    const at = async (window: string) => {
      const stage = createStage();
      stage.watch(`sum(${window}):sum:m{*}.as_count() > 10`);
      await stage.run(31, (minute) => minute === 1 && stage.write("m", 1, 11));
      return stage.lines;
    };
    expect(await at("last_23h")).toEqual(["2 * Triggered"]);
    expect(await at("last_1d")).toEqual(["10 * Triggered"]);
    expect(await at("last_48h")).toEqual(["30 * Triggered"]);
    expect(await at("current_1d")).toEqual(["10 * Triggered"]);
  },
  async groups() {
    const stage = createStage();
    stage.watch(BY_AGENT, {}, "@oncall-x");
    await stage.run(2, (minute) => {
      stage.write("m", minute, 11, a);
      stage.write("m", minute, 6, ["agent:b"]);
      stage.write("m", minute, 99);
    });
    expect(stage.lines).toEqual(["1 agent:a Triggered", "2 agent:b Triggered"]);
    expect(stage.engine.transitions.map(({ notified }) => notified)).toEqual([["@oncall-x"], ["@oncall-x"]]);
  },
  async "groups without a tag"() {
    const stage = createStage({ webhook: { name: "x", url: "http://h/" } });
    stage.watch("sum(last_10m):sum:m{*} by {agent,team}.as_count() > 10", {}, "{{#is_alert}}@webhook-x {{/is_alert}}");
    await stage.run(2, (minute) => {
      stage.write("m", minute, 99);
      stage.write("m", minute, 99, a);
      stage.write("m", minute, 99, ["team:t"]);
      stage.write("m", minute, 99, ["agent:a", "team:t"]);
    });
    expect(stage.lines).toEqual(["1 agent:a,team:t Triggered"]);
    expect([...(stage.engine.watches.get(7)?.alerts.keys() ?? [])]).toHaveLength(1);
    expect(stage.requests).toHaveLength(1);
  },
  "N/A"() {
    const stage = createStage();
    stage.write("m", 0, 5);
    stage.write("m", 0, 7, a);
    const groups = (formula: string) => {
      const queries = [
        { data_source: "metrics", name: "q", query: "sum:m{*} by {agent}.as_count()", aggregator: "sum" },
      ];
      const request = { response_format: "scalar", queries, formulas: [{ formula }] };
      const order = { request, from: START - 60, to: START + 60, variables: {}, points: 100 };
      return draw(order, stage.store).rows.map(({ group, values }) => [group, values[0]]);
    };
    expect(groups("q")).toEqual([
      [["a"], 7],
      [["N/A"], 5],
    ]);
    expect(groups("exclude_null(q)")).toEqual([[["a"], 7]]);
  },
  async "new groups"() {
    const stage = createStage();
    stage.watch(BY_AGENT, { new_group_delay: undefined });
    await stage.run(3, (minute) => minute === 0 && stage.write("m", 0, 11, a));
    expect(stage.lines).toEqual(["2 agent:a Triggered"]);
  },
  async "new group delay"() {
    const stage = createStage();
    stage.watch(BY_AGENT, { new_group_delay: 300 });
    // Seen again after 23 hours it is the same group, after more than 24 a new one.
    const at = [0, 23 * 60, 48 * 60];
    await stage.run(49 * 60, (minute) => {
      if (at.some((begin) => minute >= begin && minute < begin + 20)) stage.write("m", minute, 11, a);
    });
    const triggered = stage.lines.filter((line) => line.endsWith("Triggered"));
    expect(triggered).toEqual(["6 agent:a Triggered", "1381 agent:a Triggered", "2886 agent:a Triggered"]);
    const simple = createStage();
    simple.watch(SUM, { new_group_delay: undefined });
    await simple.run(2, (minute) => minute === 0 && simple.write("m", 0, 11));
    expect(simple.lines).toEqual(["1 * Triggered"]);
    const refused = "The new_group_delay option can only be used for multi-alert monitors";
    const body = (query: string, new_group_delay: number) => ({
      type: "query alert",
      query,
      options: { new_group_delay },
    });
    expect(schemaFault(body(SUM, 300))).toBe(refused);
    expect([body(SUM, 0), body(BY_AGENT, 300)].map(schemaFault)).toEqual([undefined, undefined]);
  },
  async "evaluation delay"() {
    const stage = createStage();
    stage.watch("sum(last_5m):sum:m{*}.as_count() > 100", { evaluation_delay: 900 });
    // A power of two a minute, so that the sum says which minutes are in it.
    await stage.run(30, (minute) => stage.write("m", minute, 2 ** minute));
    const minutes = [10, 11, 12, 13, 14];
    expect(stage.value()).toBe(minutes.reduce((sum, minute) => sum + 2 ** minute, 0));
    expect(stage.lines).toEqual(["22 * Triggered"]);
  },
  async "full window"() {
    const stage = createStage();
    stage.watch("min(last_10m):min:m{*} >= 1", { require_full_window: true });
    await stage.run(12, (minute) => stage.write("m", minute, 1, [], "gauge"));
    expect(stage.lines).toEqual(["9 * Triggered"]);
  },
  async "missing counts"() {
    const stage = createStage();
    stage.watch(SUM);
    await stage.run(20, (minute) => minute === 0 && stage.write("m", 0, 11));
    expect(stage.lines).toEqual(["1 * Triggered", "11 * Recovered"]);
  },
  async "missing gauges"() {
    const stage = createStage();
    stage.watch(GAUGE);
    await stage.run(40, (minute) => minute === 0 && stage.write("m", 0, 11, [], "gauge"));
    expect(stage.lines).toEqual(["1 * Triggered"]);
  },
  async on_missing_data() {
    const under = async (on_missing_data: string) => {
      const stage = createStage();
      stage.watch(GAUGE, { on_missing_data }, "@oncall-x");
      await stage.run(20, (minute) => minute === 0 && stage.write("m", 0, 11, [], "gauge"));
      return stage.engine.transitions.map(({ transition, notified }) => `${transition} ${notified}`).reverse();
    };
    expect(await under("resolve")).toEqual(["Triggered @oncall-x", "Recovered @oncall-x"]);
    expect(await under("show_no_data")).toEqual(["Triggered @oncall-x", "No Data "]);
    expect(await under("show_and_notify_no_data")).toEqual(["Triggered @oncall-x", "No Data @oncall-x"]);
  },
  async "new monitors"() {
    const stage = createStage();
    stage.watch(GAUGE, { on_missing_data: "show_and_notify_no_data" });
    await stage.run(15);
    expect(stage.lines).toEqual(["10 * No Data"]);
  },
  async "never any data"() {
    const told = async (from: number) => {
      const stage = createStage();
      stage.watch(GAUGE, { notify_no_data: true, no_data_timeframe: 20 }, "@oncall-x");
      await stage.run(60, (minute) => minute >= from && minute < 10 && stage.write("m", minute, 1, [], "gauge"));
      return stage.engine.transitions.map(({ transition, notified }) => `${transition} ${notified}`);
    };
    expect(await told(60)).toEqual(["No Data "]);
    expect(await told(0)).toEqual(["No Data @oncall-x"]);
  },
  async "after no data"() {
    const stage = createStage();
    stage.watch(GAUGE, { on_missing_data: "show_and_notify_no_data" }, "@oncall-x");
    await stage.run(40, (minute) => {
      if (minute === 0) stage.write("m", 0, 11, [], "gauge");
      if (minute === 30) stage.write("m", 30, 1, [], "gauge");
    });
    expect(stage.lines.slice(0, 3)).toEqual(["1 * Triggered", "11 * No Data", "31 * Recovered"]);
    expect(stage.engine.transitions.at(-3)?.notified).toEqual([]);
  },
  async "forgotten groups"() {
    const stage = createStage();
    stage.watch(BY_AGENT);
    await stage.run(1_430, (minute) => minute === 0 && stage.write("m", 0, 1, a));
    expect(stage.engine.watches.get(7)?.alerts.size).toBe(1);
    await stage.run(1_460);
    expect(stage.engine.watches.get(7)?.alerts.size).toBe(0);
  },
  async "recovery thresholds"() {
    const stage = createStage();
    stage.watch("avg(last_1m):avg:m{*} > 10", { thresholds: { critical: 10, critical_recovery: 8 } });
    const values = [11, 9, 8.1, 8, 9];
    await stage.run(5, (minute) => stage.write("m", minute, values[minute] ?? 0, [], "gauge"));
    expect(stage.lines).toEqual(["1 * Triggered", "4 * Recovered"]);
  },
  async renotify() {
    const stage = createStage({ webhook: { name: "x", url: "http://h/" } });
    stage.watch(
      "avg(last_1m):avg:m{*} > 10",
      { renotify_interval: 3, renotify_statuses: ["alert"], renotify_occurrences: 2 },
      "{{#is_alert}}@webhook-x {{/is_alert}}",
    );
    await stage.run(12, (minute) => stage.write("m", minute, 11, [], "gauge"));
    expect(stage.lines).toEqual(["1 * Triggered", "4 * Renotify", "7 * Renotify"]);
    expect(stage.requests).toHaveLength(3);
  },
  async downtimes() {
    const stage = createStage({
      webhook: { name: "x", url: "http://h/" },
      isMuted: (_, tags) => tags.get("agent") === "a",
    });
    stage.watch("avg(last_1m):avg:m{*} by {agent} > 10", {}, "{{#is_alert}}@webhook-x {{/is_alert}}");
    await stage.run(3, (minute) => {
      for (const agent of ["a", "b"]) stage.write("m", minute, 11, [`agent:${agent}`], "gauge");
    });
    expect(stage.lines).toEqual(["1 agent:a Triggered", "1 agent:b Triggered"]);
    expect(stage.requests).toHaveLength(1);
    expect(stage.engine.transitions.map(({ group, muted }) => [group, muted])).toEqual([
      ["agent:b", false],
      ["agent:a", true],
    ]);
  },
  async handles() {
    const stage = createStage();
    stage.watch(
      SUM,
      {},
      '{{#is_alert}}@oncall-in {{#is_match "agent.name" "b"}}@oncall-b {{/is_match}}{{/is_alert}} @slack-out',
    );
    await stage.run(20, (minute) => minute === 0 && stage.write("m", 0, 11));
    expect(stage.engine.transitions.map(({ notified }) => notified).reverse()).toEqual([
      ["@oncall-in", "@slack-out"],
      ["@slack-out"],
    ]);
  },
  async "webhook variables"() {
    const payload =
      '{"m":"$ALERT_ID","t":"$ALERT_TRANSITION","s":"$ALERT_SCOPE","tags":"$TAGS","a":"$TAGS[agent]","at":"$DATE","x":"$NOBODY"}';
    const webhook = { name: "x", url: "http://h/$KEY", payload, custom_headers: '{"X-Secret":"$KEY"}' };
    const stage = createStage({ webhook, variables: new Map([["KEY", "s3cret"]]) });
    stage.watch(BY_AGENT, {}, "{{#is_alert}}@webhook-x {{/is_alert}}");
    await stage.run(2, (minute) => minute === 0 && stage.write("m", 0, 11, a));
    const [request] = stage.requests;
    expect(request?.url).toBe("http://h/s3cret");
    expect(request?.headers).toMatchObject({ "x-secret": "s3cret" });
    expect(JSON.parse(request?.body ?? "")).toEqual({
      m: "7",
      t: "Triggered",
      s: "agent:a",
      tags: "team:search,agent:a",
      a: "a",
      at: String((START + 60) * 1_000),
      x: "$NOBODY",
    });
  },
  async "webhook retries"() {
    const tried = async (answers: (number | "nothing")[]) => {
      const stage = createStage({ webhook: { name: "x", url: "http://h/" }, answers });
      stage.watch(SUM, {}, "{{#is_alert}}@webhook-x {{/is_alert}}");
      await stage.run(2, (minute) => minute === 0 && stage.write("m", 0, 11));
      const [{ attempts, answer, delivered } = { attempts: 0, answer: "", delivered: false }] = stage.engine.webhooks;
      return [attempts, answer, delivered];
    };
    expect(await tried([503, "nothing", 200])).toEqual([3, "200", true]);
    expect(await tried([400, 200])).toEqual([1, "400", false]);
    expect(await tried([500, 500, 500, 500, 500, 500, 200])).toEqual([6, "500", false]);
  },
  async "rollup in time"() {
    const value = async (query: string, type: "count" | "gauge") => {
      const stage = createStage();
      stage.watch(query);
      await stage.run(1, () => {
        stage.write("m", 0, 2, [], type);
        stage.write("m", 0.5, 6, [], type);
      });
      return stage.value();
    };
    expect(await value("sum(last_5m):sum:m{*} > 100", "count")).toBe(8);
    expect(await value("avg(last_5m):avg:m{*} > 100", "gauge")).toBe(4);
    expect(await value("max(last_5m):max:m{*} > 100", "gauge")).toBe(6);
    expect(await value("min(last_5m):min:m{*} > 100", "gauge")).toBe(2);
  },
  async interpolation() {
    const stage = createStage();
    stage.watch("avg(last_10m):avg:m{*} > 100");
    await stage.run(5, (minute) => minute % 4 === 0 && stage.write("m", minute, minute === 0 ? 2 : 4, [], "gauge"));
    expect(stage.value()).toBe(3);
  },
  async anomalies() {
    const stage = createStage();
    stage.watch(
      "avg(last_2h):anomalies(sum:m{*}.as_count(), 'basic', 2, direction='above', alert_window='last_10m', interval=60) >= 1",
      {
        thresholds: { critical: 1, critical_recovery: 0 },
        threshold_windows: { trigger_window: "last_10m", recovery_window: "last_10m" },
      },
    );
    // Quartiles 1 and 2, so that 2 + 2 × 1 is the upper bound: 4 is usual, 5 is not.
    const peak = (minute: number) =>
      minute >= 120 && minute < 130 ? 4 : minute >= 150 && minute < 165 ? 5 : undefined;
    await stage.run(180, (minute) => stage.write("m", minute, peak(minute) ?? 1 + (minute % 2)));
    expect(stage.lines).toEqual(["160 * Triggered", "175 * Recovered"]);
  },
  async "custom costs"() {
    const costs = createCustomCosts(() => START);
    const line = {
      ProviderName: "OpenAI",
      ChargeDescription: "gpt-5",
      ChargePeriodStart: "2026-11-01",
      ChargePeriodEnd: "2026-11-01",
      BilledCost: 2,
      BillingCurrency: "USD",
      Tags: { agent: "a" },
    };
    const ask = (method: string, id = "", body?: unknown) =>
      costs.handle({ method, path: "", query: new URLSearchParams(), headers: {}, body }, id);
    ask("PUT", "", [line]);
    ask("PUT", "", [line]);
    expect(costs.files).toHaveLength(2);
    expect(ask("DELETE", costs.files[0]?.id)?.status).toBe(204);
    expect(costs.files).toHaveLength(1);
    for (const wrong of [
      { ...line, BillingCurrency: "EUR" },
      { ...line, ChargePeriodEnd: "2026-12-01" },
      { ...line, BilledCost: "2" },
      { ...line, Tags: { agent: "" } },
      { ...line, ProviderName: " " },
    ])
      expect(ask("PUT", "", [wrong])?.status).toBe(400);
  },
  async histograms() {
    const dataPoints = [{ timeUnixNano: `${START}000000000`, count: 4, sum: 10 }];
    const stage = otlp({ histogram: { aggregationTemporality: 1, dataPoints } }).stage;
    expect([total(stage, "m.count"), total(stage, "m.sum")]).toEqual([4, 10]);
    const asked = createStage();
    asked.watch("avg(last_5m):p95:m{*} > 1");
    expect(asked.refused).toContain('"p95" is no space aggregator');
  },
};

describe("the sandbox does as Datadog does", () => {
  test.each(SEMANTICS.map(({ name, cites }) => ({ name, cites })))("$name ($cites)", async ({ name }) => {
    await (ROWS[name] as () => unknown)();
  });

  test("each row has a case, and each case a row", () => {
    expect(Object.keys(ROWS).sort()).toEqual(SEMANTICS.map(({ name }) => name).sort());
  });
});

describe("what the sandbox cannot evaluate it refuses by name", () => {
  test.each([
    ["forecast", "max(last_7d):forecast(sum:m{*}, 'linear', 1) >= 5", {}, "forecast()"],
    ["outliers", "avg(last_5m):outliers(avg:m{*} by {agent}, 'DBSCAN', 2) > 0", {}, "outliers()"],
    ["agile anomalies", "avg(last_4h):anomalies(avg:m{*}, 'agile', 2) >= 1", {}, "anomalies() but 'basic'"],
    ["linear fill", "avg(last_5m):avg:m{*}.fill(linear) > 1", {}, ".fill(linear)"],
    ["notify_by", "avg(last_5m):avg:m{*} by {agent,team} > 1", { notify_by: ["agent"] }, "notify_by"],
    ["schedules", "avg(last_5m):avg:m{*} > 1", { scheduling_options: { custom_schedule: {} } }, "custom_schedule"],
    [
      "different groups",
      "avg(last_5m):avg:m{*} by {agent} / avg:m{*} by {team} > 1",
      {},
      "grouped by {agent} and by {team}",
    ],
  ])("%s", async (_, query, options, named) => {
    const stage = createStage();
    stage.watch(query, options);
    await stage.run(30, (minute) => stage.write("m", minute, 1, ["agent:a", "team:b"], "gauge"));
    expect(stage.refused).toContain(named);
    expect(stage.lines).toEqual([]);
  });

  test.each(["composite", "event-v2 alert", "log alert"])("a monitor of type %s", (type) => {
    const stage = createStage();
    stage.engine.sync([{ id: 7, body: { type, name: "m", query: "1 && 2" } }]);
    expect(stage.refused).toContain(type);
  });
});
