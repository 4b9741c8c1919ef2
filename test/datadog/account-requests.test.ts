import { afterEach, describe, expect, test } from "vitest";
import { createMonitorRound } from "../../src/cli/commands/breaker/datadog.ts";
import { muteAlerting, muteOf } from "../../src/cli/commands/breaker/incident.ts";
import { eventOf, postEntry } from "../../src/datadog/circuit-events.ts";
import { muteGroup, readMonitorStates } from "../../src/datadog/monitor-states.ts";
import { hasKeys, openRest, type Rest } from "../../src/datadog/rest/rest.ts";
import { openMemory } from "../../src/stores/memory.ts";
import type { AuditEntry, Store } from "../../src/stores/store.ts";
import { type Ask, type StubServer, startStubServer } from "./stub-server.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const S = NOW / 1_000;

let servers: StubServer[] = [];
afterEach(async () => {
  for (const server of servers) await server.close();
  servers = [];
});

async function account(answer: (ask: Ask) => { status?: number; body: unknown }) {
  const server = await startStubServer(answer);
  servers.push(server);
  const env = { DD_API_KEY: "api", DD_APP_KEY: "app", SPENDFUSE_DD_API_URL: server.url };
  return { server, env, rest: openRest({ env, tries: 1 }) };
}

function monitor(more: object): object {
  return { id: 7, name: "Spend", query: "q > 1", message: "@webhook-spendfuse", options: {}, ...more };
}

function groups(...states: readonly object[]): object {
  return { groups: Object.fromEntries(states.map((state, index) => [String(index), state])) };
}

const ALERTING = { name: "agent:a,team:t", status: "Alert", last_triggered_ts: S - 60, last_resolved_ts: null };

describe("monitor states", () => {
  test("the request asks for all groups and downtimes of monitors that open circuits", async () => {
    const { server, rest } = await account(() => ({ body: [] }));
    expect(await readMonitorStates(rest, S)).toEqual([]);
    expect(server.asks).toMatchObject([{ method: "GET", path: "/api/v1/monitor" }]);
    expect(Object.fromEntries(server.asks[0]?.query ?? [])).toEqual({
      monitor_tags: "breaker:on",
      group_states: "all",
      with_downtimes: "true",
      page: "0",
      page_size: "100",
    });
    expect(server.asks[0]?.headers).toMatchObject({ "dd-api-key": "api", "dd-application-key": "app" });
  });

  test("pages are read until one is not full", async () => {
    const { server, rest } = await account(({ query }) => ({
      body: Array.from({ length: query.get("page") === "0" ? 100 : 3 }, (_, id) => monitor({ id })),
    }));
    expect(await readMonitorStates(rest, S)).toHaveLength(103);
    expect(server.asks).toHaveLength(2);
  });

  test("a group's scope, status and times", async () => {
    const { rest, server } = await account(() => ({ body: [monitor({ state: groups(ALERTING) })] }));
    expect(await readMonitorStates(rest, S)).toEqual([
      {
        id: "7",
        name: "Spend",
        query: "q > 1",
        link: `${server.url}/monitors/7`,
        muted: false,
        callsWebhook: true,
        groups: [{ scope: "agent:a,team:t", status: "Alert", muted: false, triggeredAt: S - 60, resolvedAt: 0 }],
      },
    ]);
  });

  test.each([
    ["the whole monitor", { options: { silenced: { "*": null } } }, true, true],
    ["the group", { options: { silenced: { "agent:a": S + 60 } } }, false, true],
    ["another group", { options: { silenced: { "agent:b": null } } }, false, false],
    ["a mute that is over", { options: { silenced: { "*": S - 1 } } }, false, false],
    [
      "a downtime of the group",
      { matching_downtimes: [{ scope: ["agent:a"], start: S - 1, end: S + 1 }] },
      false,
      true,
    ],
    [
      "one of both its tags",
      { matching_downtimes: [{ scope: ["team:t", "agent:a"], start: 0, end: null }] },
      false,
      true,
    ],
    ["one of a tag it has not", { matching_downtimes: [{ scope: ["team:x", "agent:a"], start: 0 }] }, false, false],
    ["one of everything", { matching_downtimes: [{ scope: ["*"], start: 0, end: null }] }, true, true],
    ["one that begins later", { matching_downtimes: [{ scope: ["*"], start: S + 5, end: S + 9 }] }, false, false],
    ["one that is over", { matching_downtimes: [{ scope: ["*"], start: S - 9, end: S - 5 }] }, false, false],
    ["nothing that is a list", { matching_downtimes: null, options: null }, false, false],
  ])("silenced: %s", async (_, more, whole, group) => {
    const { rest } = await account(() => ({ body: [monitor({ state: groups(ALERTING), ...more })] }));
    const [state] = await readMonitorStates(rest, S);
    expect([state?.muted, state?.groups[0]?.muted]).toEqual([whole, group]);
  });

  test("an alert opens circuits, and the gauge says that monitors can", async () => {
    const { rest, server } = await account(({ method }) => ({
      body: method === "GET" ? [monitor({ state: groups({ ...ALERTING, name: "agent:a" }) })] : { errors: [] },
    }));
    const store = openMemory() as Store;
    const said: string[] = [];
    const say = (line: string): void => void said.push(line);
    const options = { store, poll: true, everyMs: 1, ttlMs: 60_000, tags: [], say, clock: () => NOW };
    await createMonitorRound(rest, options)();
    expect(await store.circuits()).toMatchObject([{ scope: "agent:a", state: "open" }]);
    expect(server.asks.at(-1)).toMatchObject({
      path: "/api/v2/series",
      body: {
        series: [
          { metric: "spendfuse.breaker.armed", type: 3, points: [{ timestamp: S, value: 1 }], tags: ["problem:none"] },
        ],
      },
    });
    expect(said).toEqual([]);
    await store.close();
  });
});

function entry(more: Partial<AuditEntry>): AuditEntry {
  return { at: NOW, scope: "agent:a", state: "open", what: "trip", by: "datadog", why: "monitor 7 alerts", ...more };
}

describe("events of circuits", () => {
  test("a trip", async () => {
    const { rest, server } = await account(() => ({ status: 202, body: { status: "ok" } }));
    await postEntry(rest, entry({ until: NOW + 60_000 }));
    expect(server.asks).toMatchObject([
      {
        method: "POST",
        path: "/api/v1/events",
        body: {
          title: "Circuit opened: agent:a",
          text: "monitor 7 alerts\nBy datadog.\nOpen until 2026-11-24T12:01:00.000Z.",
          tags: ["source:spendfuse", "spendfuse_event:trip", "agent:a"],
          alert_type: "error",
          date_happened: S,
          aggregation_key: "spendfuse agent:a",
          priority: "normal",
        },
      },
    ]);
  });

  test.each([
    ["reset", "Circuit reset: agent:a", "success"],
    ["stop", "Budget used up: agent:a", "warning"],
    ["approve", "Call allowed beyond its cap: agent:a", "info"],
  ] as const)("%s", (what, title, alert_type) => {
    expect(eventOf(entry({ what }))).toMatchObject({ title, alert_type });
  });

  test.each([
    entry({ what: "recover" }),
    entry({ why: "monitor 7 (extended)" }),
    entry({ why: "monitor 7 (open already, and for longer)" }),
  ])("$what, $why is none", async (one) => {
    const { rest, server } = await account(() => ({ body: {} }));
    await postEntry(rest, one);
    expect(server.asks).toEqual([]);
  });

  test("a scope of several tags has a tag each, and long texts fit", () => {
    const event = eventOf(entry({ scope: `agent:${"a".repeat(150)},team:t`, why: "x".repeat(9_000) }));
    expect(event?.tags.slice(2)).toEqual([`agent:${"a".repeat(150)}`, "team:t"]);
    expect(event?.text.length).toBeLessThanOrEqual(4_000);
    expect(event?.aggregation_key.length).toBeLessThanOrEqual(100);
  });
});

describe("muting", () => {
  test("a downtime of one group of one monitor, with an end", async () => {
    const { rest, server } = await account(() => ({ body: { id: 1 } }));
    await muteGroup(rest, "7", "agent:a,team:t", S + 3_600);
    expect(server.asks).toMatchObject([
      {
        method: "POST",
        path: "/api/v1/downtime",
        body: { monitor_id: 7, scope: ["agent:a", "team:t"], end: S + 3_600, timezone: "UTC" },
      },
    ]);
  });

  test("each monitor that alerts is muted; other senders are not Datadog's; a refusal fails the command", async () => {
    const { env, server } = await account(({ body }) =>
      (body as { monitor_id: number }).monitor_id === 8
        ? { status: 403, body: { errors: ["Forbidden"] } }
        : { body: { id: 1 } },
    );
    const alerting = ["7", "8", "SpendHigh"].map((id) => ({ monitor: id, scope: "agent:a" }));
    const said: string[] = [];
    const code = await muteAlerting({ scope: "agent:a", state: "closed", why: "", alerting }, env, NOW, (line) =>
      said.push(line),
    );
    expect(code).toBe(1);
    expect(server.asks.map(({ body }) => (body as { monitor_id: number }).monitor_id)).toEqual([7, 8]);
    expect(said[0]).toBe("monitor 7 is muted for agent:a until 2026-11-24T12:00:00.000Z");
    expect(said[1]).toMatch(/^monitor 8 is not muted: 403 Forbidden: check that DD_API_KEY/);
  });

  test("a time is needed, and keys", () => {
    const env = { DD_API_KEY: "a", DD_APP_KEY: "b" };
    expect(muteOf({ mute: "1h" }, env)).toBe(3_600_000);
    expect(() => muteOf({ mute: "soon" }, env)).toThrow("--mute must be a time such as 1h");
    expect(() => muteOf({ mute: "1h" }, { DD_API_KEY: "a" })).toThrow("--mute needs DD_API_KEY and DD_APP_KEY");
  });
});

describe("one client for all requests", () => {
  const ask = (rest: Rest): Promise<unknown> => rest.ask("GET", "/api/v1/monitor");

  test("a refusal says its reason, in texts or JSON:API", async () => {
    const { rest } = await account(() => ({
      status: 400,
      body: { errors: [{ title: "Bad", detail: "no such scope" }] },
    }));
    await expect(ask(rest)).rejects.toMatchObject({
      code: "SPENDFUSE_DATADOG",
      status: 400,
      message: "400 Bad: no such scope",
    });
  });

  test("an unreachable host is named", async () => {
    const { rest, server } = await account(() => ({ body: {} }));
    await server.close();
    servers = [];
    await expect(ask(rest)).rejects.toThrow(/^no answer from 127\.0\.0\.1:\d+: ECONNREFUSED/);
  });

  test("points and events need no application key, and send none", async () => {
    const { server } = await account(() => ({ body: {} }));
    const env = { DD_API_KEY: "api", SPENDFUSE_DD_API_URL: server.url };
    expect(hasKeys({ env })).toBe(false);
    expect(hasKeys({ env, needsAppKey: false })).toBe(true);
    expect(() => openRest({ env })).toThrow("DD_APP_KEY must be set");
    await openRest({ env, needsAppKey: false }).ask("POST", "/api/v1/events", {});
    expect(server.asks[0]?.headers).not.toHaveProperty("dd-application-key");
  });
});
