import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Breaker, type BreakerOptions, startBreaker } from "../../src/breaker/server.ts";
import { openMemory } from "../../src/stores/memory.ts";
import type { Store } from "../../src/stores/store.ts";
import { eventually } from "../eventually.ts";

const SECRET = "a secret of some length";
const TOKEN = "operator-token";

let breaker: Breaker;
let store: Store;
let lines: string[];
let failing: boolean;

async function open(options: Partial<BreakerOptions> = {}): Promise<void> {
  breaker = await startBreaker({
    store,
    port: 0,
    webhookSecrets: [SECRET],
    operatorToken: TOKEN,
    clock: () => Date.UTC(2026, 10, 29, 5),
    ...options,
  });
}

beforeEach(() => {
  lines = [];
  failing = false;
  const memory = openMemory();
  store = {
    ...memory,
    circuits() {
      if (failing) throw new Error("the store is away");
      return memory.circuits();
    },
  };
});
afterEach(() => breaker.close());

const bearer = { authorization: `Bearer ${TOKEN}` };
const order = (scope: string) => JSON.stringify({ scope, reason: "look", by: "ann" });
const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(breaker.url + path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body });

/** Every sample by its name and labels; the help and type lines must be there for each. */
async function scrape(): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${breaker.url}/metrics`, { headers: bearer });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  expect(text.endsWith("\n")).toBe(true);
  const samples = new Map<string, number>();
  const typed = new Set<string>();
  for (const line of text.trimEnd().split("\n")) {
    const [, name] = /^# TYPE (\w+) (?:counter|gauge|summary)$/.exec(line) ?? [];
    if (name !== undefined) typed.add(name);
    if (line.startsWith("#")) continue;
    const [, sample = "", value] = /^(\w+(?:\{(?:\w+="[^"\\\n]*",?)+\})?) (\S+)$/.exec(line) ?? [];
    expect([line, typed.has(sample.replace(/\{.*/, "").replace(/_(?:sum|count)$/, ""))]).toEqual([line, true]);
    expect(samples.has(sample)).toBe(false);
    samples.set(sample, Number(value));
  }
  return samples;
}

test("the metrics count circuits, trips, webhooks, listeners and what the store does", async () => {
  await open();
  expect((await post("/circuits/trip", order("agent:a"), bearer)).status).toBe(200);
  expect((await post("/circuits/trip", order("agent:b"), bearer)).status).toBe(200);
  expect((await post("/circuits/reset", order("agent:b"), bearer)).status).toBe(200);
  await post("/webhooks/datadog", "{}");
  const scope = { v: 1, monitor: "1", event: "2", transition: "Triggered", cycle: "c", scope: "agent:c", org: "9" };
  const sent = JSON.stringify({ ...scope, tags: "", at: String(Date.UTC(2026, 10, 29, 5)) });
  expect((await post("/webhooks/datadog", sent, { "x-spendfuse-secret": SECRET })).status).toBe(200);
  const listener = get(`${breaker.url}/events`);
  const [stream] = (await once(listener, "response")) as [IncomingMessage];
  stream.on("error", () => {});
  const seen = await scrape();
  expect(seen.get('spendfuse_breaker_circuits{state="open"}')).toBe(2);
  expect(seen.get('spendfuse_breaker_trips_total{source="operator"}')).toBe(2);
  expect(seen.get('spendfuse_breaker_trips_total{source="datadog"}')).toBe(1);
  expect(seen.get('spendfuse_breaker_webhooks_total{from="datadog",outcome="taken"}')).toBe(1);
  expect(seen.get('spendfuse_breaker_webhooks_total{from="datadog",outcome="refused"}')).toBe(1);
  expect(seen.get('spendfuse_breaker_requests_total{path="/circuits/trip",method="POST",status="200"}')).toBe(2);
  expect(seen.get("spendfuse_breaker_listeners")).toBe(1);
  expect(seen.get("spendfuse_breaker_store_up")).toBe(1);
  expect(seen.get('spendfuse_breaker_store_seconds_count{operation="putCircuit"}')).toBe(4);
  expect(seen.get('spendfuse_breaker_store_seconds_sum{operation="putCircuit"}')).toBeGreaterThan(0);
  expect(seen.get('spendfuse_breaker_store_errors_total{operation="putCircuit"}')).toBe(0);
  listener.destroy();
  await eventually(async () => expect((await scrape()).get("spendfuse_breaker_listeners")).toBe(0));
});

test("the metrics are there while the store is away, and say so", async () => {
  await open();
  failing = true;
  expect((await fetch(`${breaker.url}/circuits`, { headers: bearer })).status).toBe(503);
  const seen = await scrape();
  expect(seen.get("spendfuse_breaker_store_up")).toBe(0);
  expect([...seen.keys()].some((name) => name.startsWith("spendfuse_breaker_circuits"))).toBe(false);
  expect(seen.get('spendfuse_breaker_store_errors_total{operation="circuits"}')).toBeGreaterThan(0);
});

test("they are read as circuits are: from this machine, or with what a reader needs elsewhere", async () => {
  await open();
  for (const host of ["localhost", "evil.example"]) {
    const answers = ["/circuits", "/metrics"].map(async (path) => {
      const request = get(breaker.url + path, { headers: { host } });
      const [response] = (await once(request, "response")) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    });
    const [circuits, metrics] = await Promise.all(answers);
    expect([host, metrics]).toEqual([host, circuits]);
  }
});

test("the log has one JSON line a request, without secrets", async () => {
  await open({ logRequest: (line) => lines.push(line) });
  await post("/webhooks/datadog?secret=canary-1", '{"canary":"canary-2"}', { "x-spendfuse-secret": "canary-3" });
  await fetch(`${breaker.url}/webhooks/canary-4`, { headers: { authorization: "Bearer canary-5" } });
  await fetch(`${breaker.url}/healthz`);
  await eventually(() => expect(lines).toHaveLength(3));
  const shown = { at: "2026-11-29T05:00:00.000Z", ms: expect.any(Number), address: "127.0.0.1" };
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { ...shown, method: "POST", path: "/webhooks/datadog", status: 401 },
    { ...shown, method: "GET", path: "other", status: 404 },
    { ...shown, method: "GET", path: "/healthz", status: 200 },
  ]);
  expect(lines.join()).not.toContain("canary");
});

test("without a log nothing is written, and the counts stay bounded whatever is asked for", async () => {
  await open();
  for (let one = 0; one < 50; one++) await fetch(`${breaker.url}/no/${one}`, { method: one % 2 ? "GET" : "PROPFIND" });
  const requests = [...(await scrape())].filter(([name]) => name.includes('path="other"'));
  expect(requests).toEqual([
    ['spendfuse_breaker_requests_total{path="other",method="GET",status="404"}', 25],
    ['spendfuse_breaker_requests_total{path="other",method="other",status="404"}', 25],
  ]);
  expect(lines).toEqual([]);
});
