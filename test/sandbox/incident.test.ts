import { afterEach, describe, expect, test, vi } from "vitest";
import { createLogFollower } from "../../src/breaker/log-follower.ts";
import { startBreaker } from "../../src/breaker/server.ts";
import { createMonitorRound } from "../../src/cli/commands/breaker/datadog.ts";
import { command } from "../../src/cli/commands/breaker.ts";
import { readAssets } from "../../src/datadog/assets.ts";
import { postEntry } from "../../src/datadog/circuit-events.ts";
import { wantedOf } from "../../src/datadog/deploy/wanted.ts";
import { openRest } from "../../src/datadog/rest/rest.ts";
import { simulatedClock } from "../../src/sandbox/clock.ts";
import { preload } from "../../src/sandbox/preload.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { startSandboxServer } from "../../src/sandbox/server.ts";
import { openMemory } from "../../src/stores/memory.ts";
import type { Store } from "../../src/stores/store.ts";

const SECRET = "a-secret-of-sixteen";
const TOKEN = "an-operators-token";
const MINUTE = 60;
const BEHIND_S = 2 * MINUTE;
const TAGS = ["agent:runaway", "root_agent:runaway", "team:search", "project:p", "provider:openai", "process:1"];

let cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.reverse()) await clean();
  cleanups = [];
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** A sandbox with the shipped monitors, some minutes behind, and a breaker. `webhook`: whether one leads to the other. */
async function stage({ webhook }: { readonly webhook: boolean }) {
  const sandbox = createSandbox({ clock: simulatedClock(Math.floor(Date.now() / 60_000) * 60 - BEHIND_S) });
  const server = await startSandboxServer(sandbox, { port: 0 });
  const store = openMemory() as Store;
  const breaker = await startBreaker({ store, port: 0, webhookSecrets: [SECRET], operatorToken: TOKEN, say: () => {} });
  cleanups.push(
    () => store.close(),
    () => breaker.close(),
    () => server.close(),
  );
  const choices = { settings: new Map(), notify: ["@oncall-x"], webhook, prefix: "", filters: [], tags: [] };
  const assets = wantedOf(readAssets(), choices).map(({ kind, key, body }) => ({
    kind,
    name: key,
    file: key,
    json: body,
  }));
  preload(sandbox.account, assets, webhook ? { breaker: breaker.url, secret: SECRET } : undefined);
  const env = { DD_API_KEY: "a", DD_APP_KEY: "b", SPENDFUSE_DD_API_URL: server.url };
  for (const [name, value] of Object.entries({ ...env, SPENDFUSE_OPERATOR_TOKEN: TOKEN })) vi.stubEnv(name, value);
  const follower = createLogFollower(store, 0, (entry) => postEntry(openRest({ env }), entry));
  return {
    sandbox,
    store,
    rest: openRest({ env }),
    follow: () => follower.follow(),
    spend(usd: number) {
      sandbox.store.write("spendfuse.cost", "count", "", () => TAGS, sandbox.clock.now(), usd);
    },
    async open() {
      const circuits = await store.circuits();
      return circuits.flatMap(({ scope, state }) => (state === "open" ? [scope] : [])).sort();
    },
    /** `spendfuse breaker …`: its exit code, and what it prints. */
    async run(...args: string[]) {
      const said: string[] = [];
      const take = (line: string): void => void said.push(line);
      vi.spyOn(console, "log").mockImplementation(take);
      vi.spyOn(console, "error").mockImplementation(take);
      const code = await command.run([...args, "--url", breaker.url]);
      return { code, said: said.join("\n") };
    },
  };
}

interface EventList {
  readonly events: readonly { readonly title: string; readonly tags: readonly string[]; readonly alert_type: string }[];
}

describe("an incident, from the alert to the mute", () => {
  test("by webhook: one runaway, two circuits, events, one reset, silence", async () => {
    const { sandbox, rest, follow, spend, open, run } = await stage({ webhook: true });
    spend(60);
    await sandbox.advance(BEHIND_S);
    expect(await open()).toEqual(["agent:runaway", "root_agent:runaway"]);

    await follow();
    const now = Math.floor(Date.now() / 1_000);
    const list = async (): Promise<EventList["events"]> =>
      (
        (await rest.ask(
          "GET",
          `/api/v1/events?start=${now - 3_600}&end=${now + 60}&tags=source:spendfuse`,
        )) as EventList
      ).events;
    const trips = await list();
    expect(trips.map(({ title }) => title).sort()).toEqual([
      "Circuit opened: agent:runaway",
      "Circuit opened: root_agent:runaway",
    ]);
    expect(trips.every(({ alert_type: type }) => type === "error")).toBe(true);

    const { code, said } = await run("reset", "agent:runaway", "--mute", "1h", "--by", "ann", "--reason", "fixed");
    expect(said).toContain("root_agent:runaway: closed, too");
    expect(said).toMatch(/monitor \d+ is muted for agent:runaway until/);
    expect(said).toMatch(/monitor \d+ is muted for root_agent:runaway until/);
    expect(code).toBe(0);
    expect(await open()).toEqual([]);
    await follow();
    expect(
      (await list())
        .filter(({ title }) => title.startsWith("Circuit reset"))
        .map(({ tags }) => tags[2])
        .sort(),
    ).toEqual(["agent:runaway", "root_agent:runaway"]);

    const sent = sandbox.engine.webhooks.length;
    await sandbox.advance(25 * MINUTE);
    expect(sandbox.engine.webhooks).toHaveLength(sent);
    expect(sandbox.engine.transitions.some(({ transition, muted }) => transition === "Renotify" && muted)).toBe(true);
    expect(await open()).toEqual([]);

    for (const { id } of (await rest.ask("GET", "/api/v1/downtime?current_only=true")) as readonly { id: number }[])
      await rest.ask("DELETE", `/api/v1/downtime/${id}`);
    await sandbox.advance(12 * MINUTE);
    expect(sandbox.engine.webhooks.length).toBeGreaterThan(sent);
  });

  test("by polling: the states of groups open the circuits, and a mute keeps them closed", async () => {
    const { sandbox, store, rest, spend, open, run } = await stage({ webhook: false });
    const said: string[] = [];
    const clock = (): number => sandbox.clock.now() * 1_000;
    const say = (line: string): void => void said.push(line);
    const round = createMonitorRound(rest, { store, poll: true, everyMs: 1, ttlMs: 900_000, tags: [], say, clock });
    await round();
    expect(await open()).toEqual([]);
    spend(60);
    await sandbox.advance(BEHIND_S);
    await round();
    expect(await open()).toEqual(["agent:runaway", "root_agent:runaway"]);
    expect(sandbox.engine.webhooks).toEqual([]);

    expect((await run("reset", "agent:runaway")).said).toContain("still alert");
    await sandbox.advance(11 * MINUTE);
    await round();
    expect(await open()).not.toEqual([]);

    expect((await run("reset", "agent:runaway", "--mute", "1h")).code).toBe(0);
    await sandbox.advance(12 * MINUTE);
    await round();
    expect(await open()).toEqual([]);
    expect(sandbox.store.has("spendfuse.breaker.armed")).toBe(true);
  });
});
