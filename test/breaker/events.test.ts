import { ClientRequest, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { createEvents, type Events } from "../../src/breaker/events.ts";
import { type Listening, listen } from "../../src/guard/circuits/feed.ts";
import { closedCircuit, nextCircuit } from "../../src/limits/circuit.ts";

const NOW = Date.UTC(2026, 10, 24, 12);

const beats = vi.hoisted(() => [] as { readonly beat: () => void; readonly ms: number }[]);
vi.mock("node:timers", async (original) => ({
  ...(await original<typeof import("node:timers")>()),
  setInterval: (beat: () => void, ms: number) => {
    beats.push({ beat, ms });
    return { unref() {} };
  },
}));

const open: { close(): unknown }[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const one of open.splice(0).reverse()) await one.close();
});

/** A breaker's event stream, and the feed of a guard that follows it. */
async function stage(): Promise<{
  events: Events;
  heard: string[];
  silentMs: number[];
  server: ReturnType<typeof createServer>;
}> {
  const silentMs: number[] = [];
  const setTimeout = vi.spyOn(ClientRequest.prototype, "setTimeout").mockImplementation(function (
    this: ClientRequest,
    ms,
  ) {
    silentMs.push(ms);
    return this;
  });
  const events = createEvents(() => NOW);
  const server = createServer((_, response) => void events.add(response, () => [opened("agent:a")]));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const heard: string[] = [];
  const feed = {
    replace: (circuits: readonly { scope: string }[]) => void heard.push(`all: ${circuits.map(({ scope }) => scope)}`),
    put: ({ scope, state }: { scope: string; state: string }) => void heard.push(`${scope} ${state}`),
    away: () => void heard.push("away"),
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const listening: Listening = await listen(url, feed, () => {});
  open.push({ close: () => new Promise((resolve) => server.close(resolve)) }, events, listening);
  await vi.waitFor(() => expect(heard).toEqual(["all: agent:a"]));
  expect(setTimeout).toHaveBeenCalled();
  return { events, heard, silentMs, server };
}

function opened(scope: string) {
  const trip = { type: "trip", source: "operator", reason: "test", by: "me", ttlMs: 60_000 } as const;
  return nextCircuit(closedCircuit(scope), trip, NOW).circuit;
}

test("a feed is considered dead only after two missed heartbeats", async () => {
  const { silentMs } = await stage();
  const { ms } = beats.at(-1)!;
  expect(silentMs).toHaveLength(1);
  expect(silentMs[0]).toBeGreaterThan(2 * ms);
  expect(silentMs[0]).toBeLessThan(60_000);
});

test("a heartbeat is not an event, a change is", async () => {
  const { events, heard } = await stage();
  beats.at(-1)!.beat();
  events.tell(opened("team:t"));
  await vi.waitFor(() => expect(heard).toEqual(["all: agent:a", "team:t open"]));
});

test("a dropped feed reports its state as unknown, reconnects, and gets a full snapshot", async () => {
  const { events, heard } = await stage();
  events.hangUp();
  await vi.waitFor(() => expect(heard).toEqual(["all: agent:a", "away", "all: agent:a"]), 3_000);
});
