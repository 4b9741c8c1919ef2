import { afterEach, describe, expect, test } from "vitest";
import { parseBody } from "../../src/breaker/answer.ts";
import { createLogFollower } from "../../src/breaker/log-follower.ts";
import { applyMonitorStates, armingOf } from "../../src/breaker/monitor-poll.ts";
import { createOperations } from "../../src/breaker/operations.ts";
import { PAYLOAD } from "../../src/breaker/template.ts";
import { readWebhook } from "../../src/breaker/webhook.ts";
import type { MonitorState } from "../../src/datadog/monitor-states.ts";
import { openMemory } from "../../src/stores/memory.ts";
import type { AuditEntry, Store } from "../../src/stores/store.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const MINUTE = 60_000;
const TTL = 15 * MINUTE;

let stores: Store[] = [];
afterEach(async () => {
  for (const store of stores) await store.close();
  stores = [];
});

function newStore(): Store {
  const store = openMemory() as Store;
  stores.push(store);
  return store;
}

/** The template as Datadog would fill it in, with nothing escaped. */
function fill(values: Readonly<Record<string, string>> = {}): string {
  const all: Readonly<Record<string, string>> = {
    ...{ ALERT_ID: "1002", ID: "77", ALERT_TRANSITION: "Triggered", ALERT_CYCLE_KEY: "c1", DATE: String(NOW) },
    ...{ ALERT_SCOPE: "agent:researcher", TAGS: "team:search", ORG_ID: "1", LINK: "https://dd.example/monitors/1002" },
    EVENT_TITLE: "[Triggered on {agent:researcher}] Agent spend over limit in 1 hour",
    ALERT_QUERY: "sum(last_1h):sum:spendfuse.cost{*} by {agent}.as_count() > 20",
    TEXT_ONLY_MSG: "**researcher spent $23.5 in the last hour.** The limit is $20.\n\nMore.",
    ...values,
  };
  return PAYLOAD.replace(/\$([A-Z_]+)/g, (whole, name: string) => all[name] ?? whole);
}

function read(values: Readonly<Record<string, string>> = {}) {
  const json = parseBody(fill(values));
  return readWebhook(json, NOW, TTL);
}

describe("what an alert says", () => {
  test("a circuit's reason names the amount, the limit, the monitor and its address", () => {
    expect(read()).toMatchObject({
      type: "change",
      event: {
        reason:
          'researcher spent $23.5 in the last hour. The limit is $20. Datadog monitor "Agent spend over limit in 1 hour" (1002), Triggered: https://dd.example/monitors/1002',
      },
    });
  });

  test.each([
    ["a quote in the title", { EVENT_TITLE: '[Triggered] The "big" one' }, 'monitor "The "big" one" (1002)'],
    ["a quote and a comma in the message", { TEXT_ONLY_MSG: 'a "b", "c": d' }, 'a "b", "c": d'],
    ["a backslash", { EVENT_TITLE: "a\\b" }, "1002"],
  ])("%s hides nothing", (_, values, part) => {
    expect(read(values)).toMatchObject({ type: "change", scope: "agent:researcher" });
    expect(JSON.stringify(read(values))).toContain(JSON.stringify(part).slice(1, -1));
  });

  test("what was not filled in is left out", () => {
    const unknown = { EVENT_TITLE: "$EVENT_TITLE", TEXT_ONLY_MSG: "$TEXT_ONLY_MSG", LINK: "$LINK", ALERT_QUERY: "x" };
    expect(read(unknown)).toMatchObject({
      event: { reason: "Datadog monitor 1002 alerts on agent:researcher (Triggered)" },
    });
  });

  test.each(["[TEST] Agent spend", "[TEST] [Triggered on {agent:a}] Agent spend", "[Triggered] [TEST] x"])(
    "%s is a test notification",
    (title) => {
      expect(read({ EVENT_TITLE: title })).toMatchObject({ type: "ignore", why: expect.stringContaining("test") });
    },
  );

  test("a monitor may have test in its name", () => {
    expect(read({ EVENT_TITLE: "[Triggered on {agent:test}] A test agent" })).toMatchObject({ type: "change" });
  });
});

describe("an incident", () => {
  async function runaway(store: Store, scopes: readonly string[], source: "webhook" | "operator" = "webhook") {
    const operations = createOperations(store, TTL, () => NOW);
    for (const [index, scope] of scopes.entries()) {
      if (source === "operator") await operations.change("trip", { scope });
      else await applyMonitorStates(store, [monitor(String(index + 1), scope)], NOW, TTL);
    }
    return operations;
  }

  test("a reset of the agent closes its root agent's circuit, and names the monitors that still alert", async () => {
    const operations = await runaway(newStore(), ["agent:a", "root_agent:a", "agent:b"]);
    const { body } = await operations.change("reset", { scope: "agent:a" });
    expect(body).toMatchObject({ state: "closed", also: ["root_agent:a"], stillOpen: ["agent:b"] });
    expect((body as { alerting: unknown[] }).alerting).toEqual(
      expect.arrayContaining([
        { monitor: "1", scope: "agent:a" },
        { monitor: "2", scope: "root_agent:a" },
      ]),
    );
  });

  test("with only, and where an operator opened it, the other one stays", async () => {
    const operations = await runaway(newStore(), ["agent:a", "root_agent:a"]);
    expect((await operations.change("reset", { scope: "agent:a", only: true })).body).not.toHaveProperty("also");
    const byHand = await runaway(newStore(), ["agent:a", "root_agent:a"], "operator");
    const { body } = await byHand.change("reset", { scope: "root_agent:a" });
    expect(body).not.toHaveProperty("also");
    expect(body).not.toHaveProperty("alerting");
    expect(body).toMatchObject({ stillOpen: ["agent:a"] });
  });
});

function monitor(id: string, scope: string, group: object = {}, rest: Partial<MonitorState> = {}): MonitorState {
  const state = { scope, status: "Alert", muted: false, triggeredAt: NOW / 1_000 - 30, resolvedAt: 0, ...group };
  const query = "sum(last_5m):sum:spendfuse.cost{*} by {agent}.as_count() > 5";
  const link = `https://dd.example/monitors/${id}`;
  return { id, name: "Spend", query, link, muted: false, callsWebhook: true, groups: [state], ...rest };
}

describe("polled monitor states", () => {
  test("an alert opens a circuit once, and a reset one again with the next renotification", async () => {
    const store = newStore();
    const poll = (now: number) => applyMonitorStates(store, [monitor("1", "agent:a")], now, TTL);
    expect(await poll(NOW)).toEqual({ alerting: 1, changed: ["agent:a"], ignored: [] });
    expect((await poll(NOW + MINUTE)).changed).toEqual([]);
    await createOperations(store, TTL, () => NOW + 2 * MINUTE).change("reset", { scope: "agent:a" });
    expect((await poll(NOW + 3 * MINUTE)).changed).toEqual([]);
    expect((await poll(NOW + 11 * MINUTE)).changed).toEqual(["agent:a"]);
  });

  test("a recovery shortens it, once", async () => {
    const store = newStore();
    await applyMonitorStates(store, [monitor("1", "agent:a")], NOW, TTL);
    const ok = [monitor("1", "agent:a", { status: "OK", resolvedAt: NOW / 1_000 + 60 })];
    expect((await applyMonitorStates(store, ok, NOW + 2 * MINUTE, TTL)).changed).toEqual(["agent:a"]);
    expect((await applyMonitorStates(store, ok, NOW + 3 * MINUTE, TTL)).changed).toEqual([]);
    expect(await store.circuit("agent:a")).toMatchObject({ until: NOW + 3 * MINUTE });
  });

  test.each([
    ["muted", { muted: true }, 0],
    ["a warning", { status: "Warn" }, 0],
    ["without data", { status: "No Data" }, 0],
    ["OK", { status: "OK" }, 0],
  ])("a group that is %s opens nothing", async (_, group, alerting) => {
    const store = newStore();
    const polled = await applyMonitorStates(store, [monitor("1", "agent:a", group)], NOW, TTL);
    expect(polled).toEqual({ alerting, changed: [], ignored: [] });
  });

  test("what cannot be a circuit is named", async () => {
    const { ignored } = await applyMonitorStates(newStore(), [monitor("1", "agent:other")], NOW, TTL);
    expect(ignored).toEqual([expect.stringContaining("agent:other")]);
  });

  test.each([
    ["none", [monitor("1", "agent:a")], false],
    ["disarmed", [], false],
    ["disarmed", [monitor("1", "agent:a", {}, { callsWebhook: false })], false],
    ["none", [monitor("1", "agent:a", {}, { callsWebhook: false })], true],
    ["muted", [monitor("1", "agent:a", {}, { muted: true })], true],
    ["none", [monitor("1", "agent:a", { muted: true })], false],
  ] as const)("the problem is %s", (problem, monitors, polled) => {
    expect(armingOf(monitors, polled)).toMatchObject({ problem });
  });
});

describe("what is new in the log", () => {
  const entry = (at: number, what: string, why = "w"): AuditEntry => {
    return { at, what, why, scope: "agent:a", by: "me", state: "none" };
  };

  test("is passed on once, in order, and again after a failure; a budget's stop is told by many processes", async () => {
    const log = [entry(NOW - 1, "trip"), entry(NOW, "trip"), entry(NOW + 5, "stop"), entry(NOW + 6, "stop")];
    const got: number[] = [];
    let fails = true;
    const follower = createLogFollower({ audit: () => [...log].reverse() }, NOW, async ({ at }) => {
      if (at === NOW + 5 && fails) throw new Error("away");
      got.push(at);
    });
    await expect(follower.follow()).rejects.toThrow("away");
    fails = false;
    expect(await follower.follow()).toBe(1);
    expect(await follower.follow()).toBe(0);
    log.push(entry(NOW + 9, "reset"));
    expect(await follower.follow()).toBe(1);
    expect(got).toEqual([NOW, NOW + 5, NOW + 9]);
  });
});
