import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { readAlertmanager } from "../../src/breaker/alertmanager/alerts.ts";
import { type Breaker, startBreaker } from "../../src/breaker/server.ts";
import { HOLD_MS } from "../../src/limits/circuit.ts";
import { openMemory } from "../../src/stores/memory.ts";
import type { Store } from "../../src/stores/store.ts";
import { type AlertFields, alert, STARTED, webhook } from "./alerts.ts";

const SECRET = "a secret of some length";
const AUTHORIZED = { authorization: `Bearer ${SECRET}` };
const TTL = 900_000;
const NOW = STARTED + 30_000;

let breaker: Breaker | undefined;
afterEach(() => breaker?.close());

async function open(tags: readonly string[] = []) {
  const store = openMemory();
  const said: string[] = [];
  const time = { now: NOW };
  breaker = await startBreaker({
    port: 0,
    store,
    tags,
    ttlMs: TTL,
    clock: () => time.now,
    webhookSecrets: [SECRET],
    operatorToken: "token",
    say: (line) => said.push(line),
  });
  const { url } = breaker;
  async function post(body: unknown, headers: Record<string, string> = AUTHORIZED, query = "") {
    const response = await fetch(`${url}/webhooks/alertmanager${query}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    return { status: response.status, json: (await response.json()) as { alerts: Record<string, unknown>[] } };
  }
  return { store, said, time, post };
}

const state = async (store: Store, scope: string): Promise<unknown> => (await store.circuit(scope)) ?? "none";

describe("a webhook of Alertmanager", () => {
  test.each<[string, object, string]>([
    ["an agent", { agent: "researcher" }, "agent:researcher"],
    ["an agent with other characters", { agent: "Invoice Bot#1" }, "agent:invoice_bot_1"],
    ["a root agent", { root_agent: "planner" }, "root_agent:planner"],
    ["a team's agent", { team: "search", agent: "a" }, "agent:a,team:search"],
    ["a project, commas in it", { project: "p,q" }, "project:p_q"],
    ["labels that name no scope", { agent: "a", instance: "vm-0", job: "bots", key: "k" }, "agent:a"],
  ])("opens the circuit of %s", async (_, labels, scope) => {
    const { store, post } = await open();
    const { status, json } = await post(webhook([alert({ labels })]));
    expect(status).toBe(200);
    expect(json.alerts).toMatchObject([
      { applied: true, status: "firing", scope, state: "open", source: "alertmanager" },
    ]);
    expect(await state(store, scope)).toMatchObject({
      state: "open",
      until: NOW + TTL,
      by: "alert AgentHourlySpend",
      reason: `Prometheus alert AgentHourlySpend fires for ${scope}: Agent researcher spent $21`,
    });
  });

  test("opens a circuit of a declared tag", async () => {
    const { store, post } = await open(["customer"]);
    await post(webhook([alert({ labels: { customer: "Acme" } })]));
    expect(await state(store, "customer:acme")).toMatchObject({ state: "open" });
  });

  test.each<[string, AlertFields, string]>([
    ["without the label", { labels: { agent: "a", breaker: undefined } }, 'its label "breaker" is not "on"'],
    ["with the label off", { labels: { agent: "a", breaker: "off" } }, 'its label "breaker" is not "on"'],
    ["of many agents", { labels: { agent: "other" } }, "many add up"],
    ["of what has no such tag", { labels: { team: "N/A" } }, "many add up"],
    ["of agents without a name", { labels: { root_agent: "unknown" } }, "many add up"],
  ])("an alert %s opens nothing", async (_, fields, why) => {
    const { store, post } = await open();
    const { status, json } = await post(webhook([alert(fields)]));
    expect(status).toBe(200);
    expect(json.alerts).toMatchObject([{ applied: false, why: expect.stringContaining(why) }]);
    expect(await store.circuits()).toEqual([]);
  });

  test.each<[string, AlertFields, string]>([
    ["a scope", { labels: { agent: "" } }, "no label of agent"],
    ["a fingerprint", { fingerprint: undefined }, "no fingerprint"],
    ["a known status", { status: "pending" }, "its status"],
    ["a start", { startsAt: "0001-01-01T00:00:00Z" }, '"startsAt"'],
    ["an end when it is resolved", { status: "resolved", endsAt: "soon" }, '"endsAt"'],
    ["a clock like ours", { startsAt: new Date(NOW + 700_000).toISOString() }, "check the clocks"],
  ])("an alert without %s is refused, and the others are applied", async (_, fields, why) => {
    const { store, post, said } = await open();
    expect((await post(webhook([alert(fields)]))).status).toBe(400);
    const { status, json } = await post(webhook([alert(fields), alert({ labels: { agent: "b" } })]));
    expect(status).toBe(200);
    expect(json.alerts).toMatchObject([{ applied: false, why: expect.stringContaining(why) }, { applied: true }]);
    expect(await state(store, "agent:b")).toMatchObject({ state: "open" });
    expect(said.join()).toContain(why);
  });

  test("that is repeated changes nothing, whatever its group holds, and does not undo an operator's reset", async () => {
    const { store, post, time } = await open();
    await post(webhook([alert({})]));
    const before = await store.circuits();
    time.now += 60_000;
    const again = await post(webhook([alert({}), alert({ labels: { agent: "b" }, fingerprint: "b" })]));
    expect(again.json.alerts).toMatchObject([{ applied: false, why: expect.stringContaining("seen already") }, {}]);
    expect((await store.circuits()).filter(({ scope }) => scope !== "agent:b")).toEqual(before);
    time.now += TTL;
    await post(webhook([alert({})]));
    expect(await state(store, "agent:researcher")).toEqual(before[0]);
  });

  test("that is resolved leaves the circuit to its rules, and one that fires anew opens it again", async () => {
    const { store, post, time } = await open();
    await post(webhook([alert({})]));
    time.now += 10_000;
    const over = alert({ status: "resolved", endsAt: new Date(time.now).toISOString() });
    const { json } = await post(webhook([over]));
    expect(json.alerts).toMatchObject([{ status: "resolved", applied: true, state: "open", why: "shortened" }]);
    expect(await state(store, "agent:researcher")).toMatchObject({ state: "open", until: time.now + HOLD_MS });
    // What is late, or sent again, changes nothing.
    for (const late of [alert({}), over])
      expect((await post(webhook([late]))).json.alerts).toMatchObject([{ applied: false }]);
    time.now += 60_000;
    await post(webhook([alert({ startsAt: new Date(time.now).toISOString() })]));
    expect(await state(store, "agent:researcher")).toMatchObject({ state: "open", until: time.now + TTL });
  });

  test("a resolved alert does not shorten what another one keeps open, or an operator", async () => {
    const { store, post, time } = await open();
    await post(webhook([alert({}), alert({ fingerprint: "other" })]));
    await post(webhook([alert({ status: "resolved", endsAt: new Date(time.now).toISOString() })]));
    expect(await state(store, "agent:researcher")).toMatchObject({ state: "open", until: NOW + TTL });
  });

  test("is tried without effect by dry_run", async () => {
    const { store, post } = await open();
    const { json } = await post(webhook([alert({})]), AUTHORIZED, "?dry_run=1");
    expect(json).toMatchObject({ dryRun: true, alerts: [{ applied: false, state: "open" }] });
    expect(await store.circuits()).toEqual([]);
  });

  test.each<[string, unknown, Record<string, string>, number]>([
    ["no secret", webhook([]), {}, 401],
    ["a wrong secret", webhook([]), { authorization: "Bearer no" }, 401],
    ["the operator's token", webhook([]), { authorization: "Bearer token" }, 401],
    ["a web page", webhook([]), { ...AUTHORIZED, origin: "https://example.com" }, 403],
    ["no JSON", "{", AUTHORIZED, 400],
    ["a list", [], AUTHORIZED, 400],
    ["no alerts", { version: "4" }, AUTHORIZED, 400],
    ["a Datadog webhook", { v: 1, monitor: "1" }, AUTHORIZED, 400],
  ])("with %s is refused", async (_, body, headers, status) => {
    const { post, said } = await open();
    expect((await post(body, headers)).status).toBe(status);
    expect(said).toHaveLength(1);
  });

  test("says that alerts were left out", async () => {
    const { post, said } = await open();
    const { json } = await post({ ...webhook([alert({})]), truncatedAlerts: 3 });
    expect(json).toMatchObject({ truncated: 3 });
    expect(said.join()).toContain("max_alerts left 3 alerts out");
  });
});

test("nanoseconds, members that we do not know and broken alerts are read", () => {
  const precise = alert({ startsAt: "2026-11-27T19:50:52.146123456+00:00", more: [1] });
  for (const broken of [null, 7, [], {}, { labels: { breaker: "on" } }, { labels: { breaker: "on", agent: 7 } }]) {
    const reading = readAlertmanager({ alerts: [broken, precise] }, NOW, TTL);
    expect(reading).toMatchObject({ alerts: [{ type: expect.stringMatching(/fault|ignore/) }, { type: "change" }] });
  }
});

const RECORDED = new URL("../../../shared/reference/alertmanager-webhooks.jsonl", import.meta.url);

function recorded(): { body: object; headers: Record<string, string> }[] | undefined {
  try {
    return readFileSync(RECORDED, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  } catch {
    return undefined;
  }
}

test.runIf(recorded() !== undefined || process.env.CI)(
  "the recorded webhooks: fires, fires again, is resolved",
  async () => {
    const { post, store, time } = await open();
    time.now = Date.parse("2026-11-27T19:52:10Z");
    const applied: unknown[] = [];
    for (const { body } of recorded() ?? []) applied.push((await post(body)).json.alerts.map((one) => one.applied));
    expect(applied).toEqual([[true], [false], [true]]);
    expect(await state(store, "agent:researcher")).toMatchObject({ state: "open", source: "alertmanager" });
  },
);
