import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ChargeConfig, ConfigFile } from "../../../../src/core/config-types.ts";
import { isBlocked } from "../../../../src/guard/blocked.ts";
import { type Guarded, guard } from "../../../guard/guarded.ts";

/** What the server answers, by path. */
const ANSWERS: Record<string, (body: string, response: ServerResponse) => void> = {
  "/search": (_, response) => response.setHeader("content-type", "application/json").end('{"results":[1,2]}'),
  "/credits": (body, response) => response.setHeader("content-type", "application/json").end(body),
  "/busy": (_, response) => void response.writeHead(429).end("{}"),
  "/cut": (_, response) => void response.destroy(),
  "/mcp": (body, response) => {
    const { id, params } = JSON.parse(body) as { id: number; params: { name: string; arguments: { as: string } } };
    const results: Record<string, object> = {
      ok: { result: { content: [], structuredContent: { credits: 3 } } },
      failed: { result: { content: [], isError: true } },
      error: { error: { code: -1, message: "no" } },
    };
    const message = JSON.stringify({ jsonrpc: "2.0", id, ...results[params.name] });
    if (params.arguments.as !== "stream") {
      response.setHeader("content-type", "application/json").end(message);
      return;
    }
    response.setHeader("content-type", "text/event-stream");
    response.write('event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n');
    response.end(`event: message\ndata: ${message}\n\n`);
  },
};

let url: string;
let host: string;
let seen: IncomingMessage[] = [];
const server = createServer(async (request, response) => {
  seen.push(request);
  const body = await text(request);
  ANSWERS[new URL(request.url as string, url).pathname]?.(body, response);
});
let guarded: Guarded;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  url = `http://${host}`;
});
afterAll(() => server.close());
afterEach(async () => {
  await guarded.stop();
  seen = [];
});

async function start(rows: readonly Omit<ChargeConfig, "host">[], config: ConfigFile = {}): Promise<void> {
  guarded = await guard(undefined, { charges: rows.map((row) => ({ host, ...row })), ...config });
}

const send = (path: string, init?: RequestInit): Promise<Response> =>
  guarded.runtime.scoping.scope({ agent: "searcher" }, () => guarded.fetch(url + path, init));
const post = (path: string, body: unknown): Promise<Response> =>
  send(path, { method: "POST", body: JSON.stringify(body) });
const tool = (name: string, as = "body", id = 7): Promise<Response> =>
  post("/mcp", { jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: { as } } });
const spent = (): number => (guarded.runtime.ledger.sums("agent:searcher", "ever", Date.now())?.charges ?? 0) / 1e9;

describe("a request with a price", () => {
  test("counts once when it succeeds, and passes as it is", async () => {
    await start([{ path: "/search", usd: 0.008 }]);
    const response = await post("/search", { q: 1 });
    expect(await response.json()).toEqual({ results: [1, 2] });
    expect(spent()).toBe(0.008);
    expect(guarded.settled).toEqual([]);
    await send("/search?q=2");
    expect(spent()).toBe(0.016);
    expect(guarded.runtime.faults.counts().size).toBe(0);
  });

  test("counts nothing where it fails, or is another", async () => {
    await start([
      { path: "/busy", usd: 1 },
      { path: "/cut", usd: 1 },
      { path: "/search", usd: 1, method: "PUT" },
    ]);
    expect((await send("/busy")).status).toBe(429);
    await expect(send("/cut")).rejects.toThrow();
    await send("/search");
    expect([...guarded.runtime.ledger.accounts()]).toEqual([]);
  });

  test("belongs to the scope in its headers, which are taken off", async () => {
    await start([{ path: "/search", usd: 1 }], { tags: ["customer"] });
    await guarded.fetch(`${url}/search`, {
      headers: { "x-spendfuse-agent": "named", "x-spendfuse-tag-customer": "Acme", accept: "x/y" },
    });
    expect(guarded.runtime.ledger.sums("customer:acme", "ever", Date.now())?.charges).toBe(1e9);
    expect(guarded.runtime.ledger.sums("agent:named", "ever", Date.now())?.charges).toBe(1e9);
    expect(Object.keys(seen[0]?.headers ?? {}).filter((name) => name.startsWith("x-spendfuse"))).toEqual([]);
    expect(seen[0]?.headers.accept).toBe("x/y");
  });

  test("through two fetches is one", async () => {
    await start([{ path: "/search", usd: 1 }]);
    const outer = guarded.runtime.wrapFetch(((input: string) => guarded.fetch(input)) as typeof fetch);
    await outer(`${url}/search`);
    expect(guarded.runtime.ledger.sums("all", "ever", Date.now())?.charges).toBe(1e9);
  });
});

describe("a price by a figure of the answer", () => {
  const row = { path: "/credits", usd: 0.01, figure: "usage.credits" };

  test.each<[string, object, number]>([
    ["a number", { usage: { credits: 4 } }, 0.04],
    ["a text", { usage: { credits: "2.5" } }, 0.025],
    ["zero", { usage: { credits: 0 } }, 0],
    ["no figure", { usage: {} }, 0.01],
    ["a negative one", { usage: { credits: -3 } }, 0.01],
    ["no number", { usage: { credits: "many" } }, 0.01],
    ["an absurd one", { usage: { credits: 1e12 } }, 0.01],
  ])("%s", async (_, body, usd) => {
    await start([row]);
    expect(await (await post("/credits", body)).json()).toEqual(body);
    expect(spent()).toBeCloseTo(usd, 9);
    expect(guarded.runtime.faults.counts().get("figure")).toBe(
      JSON.stringify(body).includes("1000000000000") ? 1 : undefined,
    );
  });

  test("in dollars: what an answer without it costs is assumed, and held before the first", async () => {
    const dollars = { path: "/credits", usd: 1, figure: "cost.total", assume: 0.007 };
    await start([dollars], { budgets: [{ per: "day", usd: 0.02 }] });
    await (await post("/credits", { cost: { total: 0.012 } })).text();
    expect(spent()).toBe(0.012);
    expect((await post("/credits", {})).status).toBe(402);
    await guarded.stop();
    await start([dollars]);
    await (await post("/credits", {})).text();
    expect(spent()).toBe(0.007);
  });

  test("counts one unit where the answer is not read", async () => {
    await start([row]);
    const response = await post("/credits", { usage: { credits: 4 } });
    await response.body?.cancel();
    await guarded.runtime.flush();
    expect(spent()).toBe(0.01);
  });

  test("holds what the most expensive one cost so far, before the next", async () => {
    await start([row], { budgets: [{ per: "day", usd: 0.07 }] });
    await (await post("/credits", { usage: { credits: 4 } })).text();
    expect((await post("/credits", { usage: { credits: 1 } })).status).toBe(402);
    expect(spent()).toBe(0.04);
  });
});

describe("a tool of an MCP server", () => {
  const rows = [
    { path: "/mcp", tool: "ok", usd: 0.01, figure: "result.structuredContent.credits" },
    { path: "/mcp", tool: "*", usd: 1 },
  ];

  test.each<[name: string, as: string, usd: number]>([
    ["ok", "body", 0.03],
    ["ok", "stream", 0.03],
    ["failed", "body", 0],
    ["failed", "stream", 0],
    ["error", "body", 0],
    ["error", "stream", 0],
  ])("%s, as %s", async (name, as, usd) => {
    await start(rows);
    expect(await (await tool(name, as)).text()).toContain('"id":7');
    expect(spent()).toBe(usd);
  });

  test.each<[string, (body: string) => RequestInit | Request]>([
    ["bytes", (body) => ({ method: "POST", body: Buffer.from(body) })],
    ["a blob", (body) => ({ method: "POST", body: new Blob([body]) })],
    ["a request", (body) => new Request(`${url}/mcp`, { method: "POST", body })],
  ])("is found in %s", async (_, make) => {
    await start(rows);
    const made = make(JSON.stringify({ id: 7, method: "tools/call", params: { name: "ok", arguments: {} } }));
    const sent = () => (made instanceof Request ? guarded.fetch(made) : guarded.fetch(`${url}/mcp`, made));
    await (await guarded.runtime.scoping.scope({ agent: "searcher" }, sent)).text();
    expect(spent()).toBe(0.03);
  });

  test("is refused as an error of JSON-RPC, with the request's id", async () => {
    await start(rows, { budgets: [{ per: "day", usd: 0.5 }] });
    const refused = await tool("other", "body", 9);
    expect(refused.status).toBe(200);
    const body = (await refused.json()) as { error: { message: string } };
    expect(body).toMatchObject({ jsonrpc: "2.0", id: 9, error: { code: -32_000 } });
    expect(isBlocked(body)).toMatchObject({ reason: "budget" });
    // What a client keeps of it is its text.
    expect(isBlocked(new Error(`HTTP 402: ${JSON.stringify(body)}`))).toMatchObject({ reason: "budget" });
    expect(seen).toEqual([]);
  });
});

describe("the guard", () => {
  test("refuses a request that its budget does not cover, before it leaves, as JSON", async () => {
    await start([{ path: "/search", usd: 0.008 }], {
      budgets: [{ name: "searches", scope: { agent: "*" }, per: "day", usd: 0.02 }],
    });
    const statuses = [];
    for (let index = 0; index < 4; index++) statuses.push((await send("/search")).status);
    expect(statuses).toEqual([200, 200, 402, 402]);
    expect(seen).toHaveLength(2);
    const refused = await send("/search");
    expect(isBlocked(await refused.json())).toMatchObject({ reason: "budget", budget: "searches", spentUsd: 0.016 });
    expect(spent()).toBe(0.016);
  });

  test("never passes the cap, however many are sent at once", async () => {
    await start([{ path: "/search", usd: 0.008 }], { budgets: [{ per: "day", usd: 0.1 }] });
    const statuses = await Promise.all(Array.from({ length: 30 }, async () => (await send("/search")).status));
    expect(statuses.filter((status) => status === 200)).toHaveLength(12);
    expect(spent()).toBeCloseTo(0.096, 9);
  });

  test("gives back what a failed request held", async () => {
    await start(
      [
        { path: "/busy", usd: 0.08 },
        { path: "/search", usd: 0.08 },
      ],
      { budgets: [{ per: "day", usd: 0.1 }] },
    );
    await send("/busy");
    expect((await send("/search")).status).toBe(200);
  });

  test("only says what it would have refused, in shadow mode", async () => {
    await start([{ path: "/search", usd: 0.08 }], { budgets: [{ per: "day", usd: 0.1 }], mode: "shadow" });
    for (let index = 0; index < 2; index++) expect((await send("/search")).status).toBe(200);
    expect(spent()).toBe(0.16);
  });

  test("refuses it by a circuit of its customer", async () => {
    await start([{ path: "/search", usd: 0.08 }], { tags: ["customer"], breaker: { port: 0 } });
    const trip = { method: "POST", body: JSON.stringify({ scope: "customer:acme" }) };
    expect((await fetch(`${guarded.runtime.breakerUrl()}/circuits/trip`, trip)).status).toBe(200);
    const of = (customer: string) => guarded.runtime.scoping.scope({ tags: { customer } }, () => send("/search"));
    expect([(await of("Acme")).status, (await of("zeta")).status]).toEqual([402, 200]);
  });
});
