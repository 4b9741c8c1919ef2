import { execFile } from "node:child_process";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type Breaker, type BreakerOptions, startBreaker } from "../../src/breaker/server.ts";
import { HEADERS, PAYLOAD } from "../../src/breaker/template.ts";
import type { Circuit } from "../../src/limits/circuit.ts";
import { openMemory } from "../../src/stores/memory.ts";
import type { Store } from "../../src/stores/store.ts";
import { entryPath } from "../entries.ts";
import { eventually } from "../eventually.ts";
import { answer, chat, guard } from "../guard/guarded.ts";
import { startModelServer } from "../servers/model-server.ts";

const SECRET = "a secret of some length";
const TOKEN = "operator-token";
const run = promisify(execFile);

let breakers: Breaker[] = [];

afterEach(async () => {
  await Promise.all(breakers.map((one) => one.close()));
  breakers = [];
});

async function open(options: Partial<BreakerOptions> = {}): Promise<{ url: string; store: Store; said: string[] }> {
  const store = options.store ?? openMemory();
  const said: string[] = [];
  const breaker = await startBreaker({
    port: 0,
    webhookSecrets: [SECRET, "the next one"],
    operatorToken: TOKEN,
    say: (line) => said.push(line),
    ...options,
    store,
  });
  breakers.push(breaker);
  return { url: breaker.url, store, said };
}

const now = Date.now();
const webhook = (fields: object = {}): Record<string, unknown> => ({
  v: 1,
  monitor: "123",
  event: "777",
  transition: "Triggered",
  cycle: "c1",
  scope: "agent:researcher",
  tags: "agent:researcher,env:prod",
  at: String(now),
  org: "9",
  ...fields,
});

async function post(
  url: string,
  body: unknown,
  headers: Record<string, string> = { "x-spendfuse-secret": SECRET },
): Promise<{ status: number; json: Record<string, unknown> }> {
  const response = await fetch(`${url}/webhooks/datadog`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

const operator = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };

async function stateOf(store: Store, scope: string): Promise<Circuit["state"] | undefined> {
  return (await store.circuit(scope))?.state;
}

describe("a webhook", () => {
  test.each([
    ["agent:researcher", "agent:researcher", []],
    ["agent:Invoice Bot#1,env:prod", "agent:invoice_bot_1", ["env:prod"]],
    ["team:search, agent:a", "agent:a,team:search", []],
    ["root_agent:planner", "root_agent:planner", []],
    ["host:x,project:p:q", "project:p:q", ["host:x"]],
  ])("of the group %s trips %s", async (group, scope, leftOut) => {
    const { url, store } = await open();
    const { status, json } = await post(url, webhook({ scope: group, tags: "" }));
    expect(status).toBe(200);
    expect(json).toMatchObject({
      applied: true,
      scope,
      state: "open",
      source: "datadog",
      ...(leftOut.length > 0 && { leftOut }),
    });
    expect(await stateOf(store, scope)).toBe("open");
    expect(await store.audit(5)).toMatchObject([{ scope, what: "trip", by: "monitor 123" }]);
  });

  test.each([
    ["Triggered", true],
    ["Re-Triggered", true],
    ["Renotify", true],
    ["Warn", false],
    ["Re-Warn", false],
    ["No Data", false],
    ["Re-No Data", false],
    ["Null", false],
    ["Whatever", false],
  ])("with the transition %s opens: %s", async (transition, opens) => {
    const { url, store } = await open();
    expect(await post(url, webhook({ transition }))).toMatchObject({ status: 200, json: { applied: opens } });
    expect(await stateOf(store, "agent:researcher")).toBe(opens ? "open" : undefined);
  });

  test("duplicate, late or out of order has no effect", async () => {
    const { url, store } = await open();
    await post(url, webhook());
    const before = await store.circuits();
    for (const late of [
      webhook(),
      webhook({ at: now - 5_000, event: "9", transition: "Renotify" }),
      webhook({ at: now - 1, transition: "Recovered" }),
    ])
      expect(await post(url, late)).toMatchObject({ status: 200, json: { applied: false } });
    expect(await store.circuits()).toEqual(before);
  });

  test.each([
    ["?dry_run=1", 200, { applied: false, dryRun: true, state: "open" }],
    ["?dry_run", 200, { applied: false, dryRun: true }],
  ])("with %s says what would happen", async (query, status, expected) => {
    const { url, store } = await open();
    const response = await fetch(`${url}/webhooks/datadog${query}`, {
      method: "POST",
      headers: { "x-spendfuse-secret": SECRET },
      body: JSON.stringify(webhook()),
    });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject(expected);
    expect(await store.circuits()).toEqual([]);
  });

  test.each([
    ["no object", "[]", 400, "one JSON object"],
    ["no JSON", "{", 400, "not JSON"],
    ["another version", webhook({ v: 2 }), 400, '"v" must be 1'],
    ["a variable that was not filled in", webhook({ monitor: "$ALERT_ID" }), 400, "$ALERT_ID"],
    ["no group", webhook({ scope: "*", tags: "env:prod" }), 400, "group the monitor by one of them"],
    ["a time to come", webhook({ at: now + 3_600_000 }), 400, "10 minutes ahead"],
    ["no time", webhook({ at: "yesterday" }), 400, "milliseconds since the epoch"],
    ["a monitor that is missing", webhook({ monitor: undefined }), 400, '"monitor" must be one line of text'],
    ["too long a text", webhook({ cycle: "x".repeat(300) }), 400, "at most 200"],
    ["too large a body", JSON.stringify(webhook({ tags: "x".repeat(600_000) })), 413, "larger than"],
    ["an old one", webhook({ at: now - 90_000_000 }), 200, "older than a day"],
    ["the agent under which others add up", webhook({ scope: "agent:other" }), 200, "many add up"],
  ])("with %s is answered so that the fix is plain", async (_, body, status, words) => {
    const { url, store } = await open();
    const answered = await post(url, body);
    expect(answered.status).toBe(status);
    expect(JSON.stringify(answered.json)).toContain(JSON.stringify(words).slice(1, -1));
    expect(await store.circuits()).toEqual([]);
  });

  test("with line breaks as they are in its tags opens the circuit", async () => {
    const { url, store } = await open();
    const body = JSON.stringify(webhook({ scope: "", tags: 'a:"b\\" c:d agent:a' }), undefined, 1).replaceAll(
      " c:",
      "\r\n\tc:",
    );
    expect((await post(url, body.replace(" agent:", "\nagent:"))).json).toMatchObject({ applied: true });
    expect(await store.circuits()).toMatchObject([{ scope: "agent:a", state: "open" }]);
  });

  test.each([
    ["the secret", { "x-spendfuse-secret": SECRET }, 200],
    ["the other secret", { "x-spendfuse-secret": "the next one" }, 200],
    ["Basic", { authorization: `Basic ${Buffer.from("datadog:pass").toString("base64")}` }, 200],
    ["the secret, from a web page", { "x-spendfuse-secret": SECRET, origin: "http://evil.example" }, 403],
    ["nothing", {}, 401],
    ["a wrong secret", { "x-spendfuse-secret": `${SECRET}x` }, 401],
    ["an empty one", { "x-spendfuse-secret": "" }, 401],
    ["the operator's token", { authorization: `Bearer ${TOKEN}` }, 401],
    ["a wrong Basic", { authorization: `Basic ${Buffer.from("datadog:").toString("base64")}` }, 401],
  ])("that shows %s", async (_, headers, status) => {
    const { url } = await open({ basic: "datadog:pass" });
    expect((await post(url, webhook(), headers as never)).status).toBe(status);
  });

  test("is answered with a 5xx, so that it is retried, while the store is unavailable", async () => {
    const store = openMemory();
    const { url } = await open({ store: { ...store, circuit: () => Promise.reject(new Error("gone")) } });
    expect((await post(url, webhook())).status).toBe(503);
    expect((await fetch(`${url}/healthz`)).status).toBe(503);
  });

  test("a store that can be read and not written is healthy, and not ready", async () => {
    const store = openMemory();
    const { url } = await open({ store: { ...store, putMetered: () => Promise.reject(new Error("read-only")) } });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    const ready = await fetch(`${url}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([503, { error: { message: "read-only" } }]);
  });

  test("asking whether it is ready adds nothing to what is metered", async () => {
    const store = openMemory();
    const { url } = await open({ store });
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(await store.metered(0, Number.MAX_SAFE_INTEGER)).toEqual([]);
  });

  test("is what the template makes of Datadog's variables", async () => {
    const { url } = await open();
    const values: Record<string, string> = {
      ALERT_ID: "1",
      ID: "2",
      ALERT_TRANSITION: "Triggered",
      ALERT_CYCLE_KEY: "3",
      ALERT_SCOPE: "agent:a",
      TAGS: "agent:a",
      DATE: String(now),
      ORG_ID: "4",
    };
    const filled = PAYLOAD.replace(/\$([A-Z_]+)/g, (_, name: string) => values[name] ?? "");
    expect(await post(url, filled)).toMatchObject({ status: 200, json: { applied: true } });
    expect(JSON.parse(HEADERS)).toEqual({ "x-spendfuse-secret": "$SPENDFUSE_WEBHOOK_SECRET" });
  });
});

describe("where it listens", () => {
  test.each([
    ["0.0.0.0", {}],
    ["0.0.0.0", { webhookSecrets: [SECRET] }],
    ["0.0.0.0", { operatorToken: TOKEN }],
  ])("not on %s with %j alone", async (host, options) => {
    const start = startBreaker({ store: openMemory(), host, port: 0, ...options });
    await expect(start).rejects.toMatchObject({
      code: "SPENDFUSE_CONFIG",
      message: expect.stringContaining("SPENDFUSE_WEBHOOK_SECRET"),
    });
  });

  test("a port that is taken is said", async () => {
    const { url } = await open();
    const again = startBreaker({ store: openMemory(), port: Number(new URL(url).port) });
    await expect(again).rejects.toMatchObject({ message: expect.stringContaining("is taken") });
  });
});

describe("operators", () => {
  test.each([
    ["GET", "/nothing", 404],
    ["GET", "/webhooks/datadog", 405],
    ["DELETE", "/circuits", 405],
    ["GET", "/circuits", 200],
    ["GET", "/healthz", 200],
    ["GET", "/readyz", 200],
    ["GET", "/audit", 401],
    ["GET", "/budgets", 401],
    ["POST", "/circuits/trip", 401],
    ["POST", "/circuits/reset", 401],
    ["GET", "/__proto__", 404],
  ])("%s %s without a token is %d", async (method, path, status) => {
    const { url } = await open();
    const response = await fetch(`${url}${path}`, { method });
    expect(response.status).toBe(status);
    if (status !== 200)
      expect(await response.json()).toMatchObject({ error: { code: expect.any(String), message: expect.any(String) } });
  });

  // A proxy in front of the breaker may have rules for paths, which another spelling must not pass by.
  test.each(["//x/circuits", "/webhooks/../circuits", "http://evil/circuits", "/%63ircuits", "/circuits/"])(
    "%s is not /circuits",
    async (target) => {
      const { url } = await open();
      const { port } = new URL(url);
      const [response] = (await once(get({ port, path: target }), "response")) as [IncomingMessage];
      response.resume();
      expect(response.statusCode).toBe(404);
    },
  );

  test.each([
    [{ scope: "agent:a", ttl: "30m", reason: "too much", by: "ann" }, 200],
    [{ scope: "all" }, 200],
    [{ scope: { agent: "a", team: "b" } }, 200],
    [{ scope: { env: "prod" } }, 400],
    [{ scope: "env:prod" }, 400],
    [{ scope: 7 }, 400],
    [{ scope: "agent:a", ttl: "soon" }, 400],
    [{ scope: "agent:a", ttl: 99e12 }, 400],
    [null, 400],
  ])("trip %j is %d", async (body, status) => {
    const { url } = await open();
    const response = await fetch(`${url}/circuits/trip`, {
      method: "POST",
      headers: operator,
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(status);
  });

  test("trip, see, reset and log, from the command line", async () => {
    const { url } = await open();
    const main = entryPath("cli/main");
    const env = { ...process.env, SPENDFUSE_OPERATOR_TOKEN: TOKEN, SPENDFUSE_BREAKER_URL: url };
    const breaker = async (...words: string[]) =>
      (await run(process.execPath, [main, "breaker", ...words], { env })).stdout;
    expect(await breaker("trip", "agent:a", "--ttl", "30m", "--reason", "too much", "--by", "ann")).toMatch(
      /^agent:a: open until .* \(tripped\)/,
    );
    expect(await breaker("status")).toMatch(/agent:a +open +operator +30 min left +too much/);
    expect(await breaker("reset", "agent:a", "--by", "bob")).toBe("agent:a: closed (reset)\n");
    const { entries } = JSON.parse(await breaker("log", "--json")) as { entries: object[] };
    expect(entries).toMatchObject([
      { what: "reset", by: "bob" },
      { what: "trip", by: "ann", why: "too much (tripped)" },
    ]);
    await expect(breaker("trip")).rejects.toMatchObject({ code: 2 });
    await expect(breaker("status", "--url", "http://127.0.0.1:1")).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no breaker answers"),
    });
  });
});

describe("the event stream", () => {
  test("begins with what is open, and stops an agent in every process that listens", async () => {
    const server = await startModelServer();
    server.play(answer(50, 100));
    const { url, store } = await open();
    await post(url, webhook({ scope: "agent:early" }));
    const one = await guard(server, { breaker: { url } });
    await eventually(async () => expect((await chat(one, server.url, { agent: "early" })).status).toBe(402));
    expect((await chat(one, server.url)).status).toBe(200);
    await post(url, webhook());
    await eventually(async () => expect((await chat(one, server.url)).status).toBe(402));
    expect((await chat(one, server.url, { agent: "another" })).status).toBe(200);
    await fetch(`${url}/circuits/reset`, {
      method: "POST",
      headers: operator,
      body: JSON.stringify({ scope: "agent:researcher" }),
    });
    await eventually(async () => expect((await chat(one, server.url)).status).toBe(200));
    expect(await stateOf(store, "agent:researcher")).toBe("closed");
    await one.stop();
    await server.close();
  });

  test.each([
    ["open", [200, 402]],
    ["closed", [402, 402]],
  ] as const)(
    "that was never heard, whenStateUnknown: %s; budgets hold all the same",
    async (whenStateUnknown, expected) => {
      const server = await startModelServer();
      server.play(answer(50, 100));
      const budgets = [{ per: "day", calls: 1 }];
      const one = await guard(server, { breaker: { url: "http://127.0.0.1:1" }, whenStateUnknown, budgets });
      const statuses = [(await chat(one, server.url)).status, (await chat(one, server.url)).status];
      expect(statuses).toEqual(expected);
      expect(one.said.join()).toContain("cannot connect to the breaker");
      await one.stop();
      await server.close();
    },
  );

  test("runs inside the process that it guards, too", async () => {
    const server = await startModelServer();
    server.play(answer(50, 100));
    const one = await guard(server, { breaker: { port: 0 } });
    const url = one.runtime.breakerUrl() as string;
    expect((await chat(one, server.url)).status).toBe(200);
    expect(await post(url, webhook(), {})).toMatchObject({ status: 200, json: { applied: true } });
    expect((await chat(one, server.url)).status).toBe(402);
    await one.stop();
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
    await server.close();
  });
});

describe("webhooks that are malformed, forged, replayed, reordered, oversized or slow", () => {
  const COUNT = 1_000 * Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
  const text = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.constantFrom("", "$ALERT_ID", "__proto__", "constructor", "a\u0000b", "x".repeat(2_100)),
  );
  const anything = fc.oneof(fc.jsonValue(), text, fc.constant(undefined));
  /** No field of it is what it must be, at least not all. */
  const malformed = fc.oneof(
    fc
      .tuple(
        fc.constantFrom("v", "monitor", "transition", "cycle", "scope", "at"),
        fc.oneof(fc.constant(null), fc.constant([]), fc.constant({}), fc.constant(true), fc.constant("$X")),
      )
      .map(([name, value]) => JSON.stringify(webhook({ [name]: value, ...(name === "scope" && { tags: value }) }))),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.string({ maxLength: 200 }),
    fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
    fc.dictionary(text, anything).map((fields) => JSON.stringify({ ...fields, v: 2 })),
    fc.constant("[".repeat(20_000)),
    fc.constant(`{"__proto__":{"v":1,"scope":"agent:x"},"constructor":{"prototype":{"v":1}}}`),
  );
  const kinds = fc.oneof(
    { weight: 6, arbitrary: malformed.map((body) => ({ kind: "malformed", body, secret: SECRET }) as const) },
    {
      weight: 6,
      arbitrary: fc.string({ maxLength: 60 }).map(
        (secret) =>
          ({
            kind: "forged",
            body: JSON.stringify(webhook({ scope: "agent:forged" })),
            secret: Buffer.from(secret).toString("hex"),
          }) as const,
      ),
    },
    {
      weight: 3,
      arbitrary: fc.integer({ min: 0, max: 10 }).map(
        (back) =>
          ({
            kind: "replayed",
            body: JSON.stringify(webhook({ scope: "agent:known", at: now - back })),
            secret: SECRET,
          }) as const,
      ),
    },
    {
      weight: 3,
      arbitrary: fc.integer({ min: 1, max: 60_000 }).map(
        (back) =>
          ({
            kind: "reordered",
            body: JSON.stringify(
              webhook({ scope: "agent:known", transition: "Recovered", event: String(back), at: now - back }),
            ),
            secret: SECRET,
          }) as const,
      ),
    },
    {
      weight: 1,
      arbitrary: fc.constant({
        kind: "oversized",
        body: JSON.stringify(webhook({ scope: "agent:large", tags: "x".repeat(530_000) })),
        secret: SECRET,
      } as const),
    },
  );
  const RIGHT: Readonly<Record<string, readonly number[]>> = {
    malformed: [400, 200],
    forged: [401, 429],
    replayed: [200],
    reordered: [200],
    oversized: [413],
  };
  const PARALLEL = 20;

  test("change nothing, crash nothing, and a valid one still works between them", { timeout: 60_000 }, async () => {
    let clock = now;
    const { url, store } = await open({ clock: () => clock, bodyMs: 2_000 });
    expect((await post(url, webhook({ scope: "agent:known" }))).json).toMatchObject({ applied: true });
    const before = await store.circuits();

    // Slow ones, all the while: bodies that never end, heads that never end.
    const port = Number(new URL(url).port);
    const slow = Array.from({ length: 50 }, (_, index) => {
      const socket = connect(port, "127.0.0.1");
      const head = `POST /webhooks/datadog HTTP/1.1\r\nhost: x\r\nx-spendfuse-secret: ${SECRET}\r\n`;
      socket.write(index % 2 === 0 ? `${head}content-length: 500\r\n\r\n{"v":` : head);
      const answers: Buffer[] = [];
      socket.on("data", (chunk) => answers.push(chunk));
      socket.on("error", () => {});
      return { socket, answered: () => Buffer.concat(answers).toString(), headOnly: index % 2 === 1 };
    });

    const sent = fc.sample(kinds, { numRuns: COUNT, seed: 7 });
    const wrong: string[] = [];
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < sent.length) {
        // The limits are by time: a second passes with every 100.
        if (next % 100 === 0) clock += 1_000;
        const { kind, body, secret } = sent[next++] as (typeof sent)[number];
        const { status, json } = await post(url, body, { "x-spendfuse-secret": secret });
        if (!RIGHT[kind]?.includes(status) || json.applied === true)
          wrong.push(`${kind} ${status} ${JSON.stringify(json)} ${body.slice(0, 100)}`);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
    expect(wrong).toEqual([]);
    expect(await store.circuits()).toEqual(before);
    for (const { socket, answered, headOnly } of slow) {
      if (!headOnly) await vi.waitFor(() => expect(answered()).toMatch(/^HTTP\/1\.1 408 /), 10_000);
      socket.destroy();
      if (!socket.closed) await once(socket, "close");
    }
    expect(await post(url, webhook({ scope: "agent:valid", at: clock }))).toMatchObject({
      status: 200,
      json: { applied: true },
    });
    expect(await stateOf(store, "agent:valid")).toBe("open");
    expect(Object.prototype).not.toHaveProperty("v");
  });
});
