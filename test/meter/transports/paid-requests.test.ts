import http, { createServer, type IncomingHttpHeaders } from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import * as undici from "undici";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ChargeConfig, ConfigFile } from "../../../src/core/config-types.ts";
import { isBlocked } from "../../../src/guard/blocked.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";

/** One suite for every transport: what has a price is counted, and refused, alike on each. */

interface Answer {
  readonly status: number;
  readonly text: string;
}

interface Request {
  readonly path: string;
  readonly method?: "GET" | "POST";
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

type Send = (request: Request) => Promise<Answer>;

interface Handled {
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

const seen: Handled[] = [];
const JSON_TYPE = { "content-type": "application/json" };

async function handle(request: Readable & Handled, response: unknown): Promise<void> {
  seen.push(request);
  const answer = response as http.ServerResponse;
  const body = await text(request);
  const path = (request.url ?? "").replace(/\?.*/, "");
  if (path === "/cut") answer.destroy?.() ?? request.destroy();
  else if (path === "/busy") answer.writeHead(503, JSON_TYPE).end("{}");
  else if (path === "/moved") answer.writeHead(307, { location: "/search" }).end();
  else if (path === "/mcp" || (body.includes("tools/call") && path !== "/search")) answerTools(body, answer);
  else answer.writeHead(200, JSON_TYPE).end(JSON.stringify({ usage: { credits: 3 } }));
}

interface ToolRequest {
  readonly id?: unknown;
  readonly params?: { readonly name?: string };
}

/** Answers each call of a tool, as JSON or, for one named `stream…`, as an event stream in two pieces. */
function answerTools(body: string, answer: http.ServerResponse): void {
  const given = JSON.parse(body) as ToolRequest | ToolRequest[];
  const answers = [given].flat().flatMap(({ id, params }): object[] => {
    if (id === undefined) return [];
    if (params?.name === "error") return [{ jsonrpc: "2.0", id, error: { code: -1, message: "no" } }];
    const isError = params?.name === "failed" || params?.name === "stream failed";
    return [{ jsonrpc: "2.0", id, result: { content: [], isError, credits: 5 } }];
  });
  if (![given].flat().some(({ params }) => params?.name?.startsWith("stream"))) {
    answer.writeHead(200, JSON_TYPE).end(JSON.stringify(Array.isArray(given) ? answers : answers[0]));
    return;
  }
  answer.writeHead(200, { "content-type": "text/event-stream" });
  answer.write('event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n');
  for (const one of answers) answer.write(`event: message\ndata: ${JSON.stringify(one)}\n\n`);
  answer.end();
}

const one = createServer((request, response) => void handle(request, response));
const two = http2.createServer((request, response) => void handle(request as never, response));
let url: string;
let url2: string;
let host: string;
let host2: string;
let runtime: Runtime;

beforeAll(async () => {
  [host, host2] = await Promise.all([listen(one), listen(two)]);
  [url, url2] = [`http://${host}`, `http://${host2}`];
});
afterAll(() => {
  one.close();
  two.close();
});
afterEach(async () => {
  await runtime.stop();
  seen.length = 0;
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function start(rows: readonly Omit<ChargeConfig, "host">[], config: ConfigFile = {}): Promise<void> {
  runtime = createRuntime(() => {});
  const charges = rows.flatMap((row) => [host, host2].map((host) => ({ host, ...row })));
  const env = { SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1" };
  await runtime.start({ telemetry: false, env, config: { charges, ...config } });
}

const methodOf = ({ method = "POST" }: Request): "GET" | "POST" => method;

function viaHttp(options: object, write: (request: http.ClientRequest, body: string | undefined) => void): Send {
  return (request) =>
    new Promise((resolve, reject) => {
      const sent = http.request(url + request.path, {
        method: methodOf(request),
        headers: request.headers,
        ...options,
      });
      sent.on("error", reject);
      sent.on("response", (answer) => {
        text(answer).then((read) => resolve({ status: answer.statusCode ?? 0, text: read }), reject);
      });
      write(sent, request.body);
    });
}

const viaUndici =
  (bodyOf: (body: string) => unknown): Send =>
  async ({ path, headers, body, ...rest }) => {
    const sent = { method: methodOf({ path, ...rest }), headers, body: body === undefined ? undefined : bodyOf(body) };
    const answer = await undici.request(url + path, sent as never);
    return { status: answer.statusCode, text: await answer.body.text() };
  };

const viaFetch =
  (send: () => typeof fetch): Send =>
  async ({ path, headers, body, ...rest }) => {
    const init = { method: methodOf({ path, ...rest }), headers, body, redirect: "manual" };
    const answer = await send()(url + path, init as never);
    return { status: answer.status, text: await answer.text() };
  };

function viaHttp2({ path, headers, body, ...rest }: Request): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(url2);
    session.on("error", reject);
    const sent = session.request({ ":method": methodOf({ path, ...rest }), ":path": path, ...headers });
    let status = 0;
    sent.on("error", reject);
    sent.on("response", (given) => {
      status = Number(given[":status"]);
    });
    text(sent)
      .then((read) => (status === 0 ? reject(new Error("no answer")) : resolve({ status, text: read })), reject)
      .finally(() => session.destroy());
    sent.end(body);
  });
}

async function* pieces(body: string): AsyncGenerator<Buffer> {
  for (let from = 0; from < body.length; from += 20) yield Buffer.from(body.slice(from, from + 20));
}

const WAYS: Readonly<Record<string, Send>> = {
  fetch: viaFetch(() => globalThis.fetch),
  "node:http": viaHttp({}, (request, body) => void request.end(body)),
  "node:http, in pieces": viaHttp({}, (request, body) => {
    if (body === undefined) request.end();
    else Readable.from(pieces(body)).pipe(request);
  }),
  "node:http, kept alive": viaHttp({ agent: new http.Agent({ keepAlive: true }) }, (request, body) => {
    request.end(body === undefined ? undefined : Buffer.from(body));
  }),
  "node:http2": viaHttp2,
  "undici.request": viaUndici((body) => body),
  "undici.request, bytes": viaUndici((body) => Buffer.from(body)),
  "undici.request, a Blob": viaUndici((body) => new Blob([body])),
  "undici's fetch": viaFetch(() => undici.fetch as never),
};

const searching = (send: () => Promise<Answer>): Promise<Answer> => runtime.scoping.scope({ agent: "searcher" }, send);
const sums = (scope: string) => runtime.ledger.sums(scope, "ever", Date.now());
async function spent(scope = "agent:searcher"): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 5));
  return (sums(scope)?.charges ?? 0) / 1e9;
}
const toolCall = (name: string, id: unknown = 7): object => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name, arguments: {} },
});
const TOOLS = [
  { path: "/mcp", tool: "credits", usd: 0.01, figure: "result.credits" },
  { path: "/mcp", tool: "*", usd: 0.1 },
];

describe.each(Object.entries(WAYS))("%s", (_, send) => {
  test.each<[string, Request]>([
    ["GET", { path: "/search?q=1", method: "GET" }],
    ["POST", { path: "/search", body: '{"query":"what is new"}' }],
    ["POST without a body", { path: "/search" }],
  ])("%s counts once", async (_name, request) => {
    await start([{ path: "/search", usd: 0.008 }]);
    expect(await searching(() => send(request))).toEqual({ status: 200, text: '{"usage":{"credits":3}}' });
    expect(await spent()).toBe(0.008);
    expect(seen).toHaveLength(1);
    expect(sums("all")?.calls).toBe(0);
    expect([...runtime.faults.counts()]).toEqual([]);
  });

  test("counts by a figure of its answer", async () => {
    await start([{ path: "/search", usd: 0.01, figure: "usage.credits" }]);
    await searching(() => send({ path: "/search", body: "{}" }));
    expect(await spent()).toBe(0.03);
  });

  test("counts nothing for an error, a redirect or a connection that broke", async () => {
    await start([
      { path: "/busy", usd: 1 },
      { path: "/moved", usd: 1 },
      { path: "/cut", usd: 1 },
    ]);
    expect((await searching(() => send({ path: "/busy", body: "{}" }))).status).toBe(503);
    await searching(() => send({ path: "/moved", body: "{}" }));
    await expect(searching(() => send({ path: "/cut", body: "{}" }))).rejects.toThrow();
    expect(await spent()).toBe(0);
  });

  test("is refused before it leaves, and what a failed one held is given back", async () => {
    await start(
      [
        { path: "/busy", usd: 0.08 },
        { path: "/search", usd: 0.08 },
      ],
      { budgets: [{ name: "searches", per: "day", usd: 0.1 }] },
    );
    await searching(() => send({ path: "/busy", body: "{}" }));
    expect((await searching(() => send({ path: "/search", body: "{}" }))).status).toBe(200);
    await spent();
    const refused = await searching(() => send({ path: "/search", body: "{}" }));
    expect(refused.status).toBe(402);
    expect(isBlocked(JSON.parse(refused.text))).toMatchObject({ reason: "budget", budget: "searches" });
    expect(seen).toHaveLength(2);
    expect(await spent()).toBe(0.08);
  });

  test("belongs to the scope in its headers; none of ours reaches the server, declared or not", async () => {
    await start([{ path: "/search", usd: 1 }], { tags: ["customer"] });
    const headers = {
      "x-spendfuse-agent": "named",
      "X-Spendfuse-Tag-Customer": "Acme",
      "x-spendfuse-tag-other": "z",
      accept: "x/y",
    };
    await send({ path: "/search", body: "{}", headers });
    expect(await spent("agent:named")).toBe(1);
    expect(await spent("customer:acme")).toBe(1);
    expect(Object.keys(seen[0]?.headers ?? {}).filter((name) => name.startsWith("x-spendfuse"))).toEqual([]);
    expect(seen[0]?.headers.accept).toBe("x/y");
  });

  test.each(["x-spendfuse-tag-other", "x-spendfuse-tag-customer", "x-spendfuse-whatever"])(
    "a lone %s does not reach the server",
    async (name) => {
      await start([{ path: "/search", usd: 1 }], { tags: ["customer"] });
      await send({ path: "/search", body: "{}", headers: { [name]: "z" } });
      await send({ path: "/v1/chat/completions", body: '{"model":"m","messages":[]}', headers: { [name]: "z" } });
      for (const { headers } of seen) expect(Object.keys(headers)).not.toContain(name);
      expect(seen).toHaveLength(2);
    },
  );

  test.each<[string, unknown, number]>([
    ["a tool by its figure", toolCall("credits"), 0.05],
    ["another tool", toolCall("other", "a text"), 0.1],
    ["one that failed", toolCall("failed"), 0],
    ["one answered with an error", toolCall("error"), 0],
    ["one answered in a stream", toolCall("stream it"), 0.1],
    ["one that failed in a stream", toolCall("stream failed"), 0],
    ["no tool", { jsonrpc: "2.0", id: 1, method: "tools/list" }, 0],
    ["a notification", { jsonrpc: "2.0", method: "notifications/cancelled" }, 0],
    ["a batch", [toolCall("credits", 1), toolCall("failed", 2), toolCall("other", 3), { method: "ping", id: 4 }], 0.15],
    ["a batch in a stream", [toolCall("stream it", 1), toolCall("other", 2), toolCall("error", 3)], 0.2],
    ["a batch of no tools", [{ jsonrpc: "2.0", id: 1, method: "ping" }], 0],
  ])("MCP: %s", async (_name, message, usd) => {
    await start(TOOLS);
    await searching(() => send({ path: "/mcp", body: JSON.stringify(message), headers: { ...JSON_TYPE } }));
    expect(await spent()).toBeCloseTo(usd, 9);
    expect([...runtime.faults.counts()]).toEqual([]);
  });

  test.each(["/messages", "/v1/responses"])("MCP at %s, a path of model APIs", async (path) => {
    await start([{ path, tool: "*", usd: 0.1 }]);
    const body = JSON.stringify(toolCall("other"));
    await searching(() => send({ path, body, headers: { ...JSON_TYPE } }));
    expect(await spent()).toBe(0.1);
    expect(sums("all")?.calls).toBe(0);
    const model = { model: "m", max_tokens: 9, messages: [{ role: "user", content: "hi" }], input: "hi" };
    await searching(() => send({ path, body: JSON.stringify(model), headers: { ...JSON_TYPE } }));
    expect(await spent()).toBe(0.1);
    expect(sums("all")?.calls).toBe(1);
    expect([...runtime.faults.counts()]).toEqual([]);
  });

  test("MCP at a path of model APIs is refused before it leaves", async () => {
    await start([{ path: "/messages", tool: "*", usd: 0.1 }], { budgets: [{ per: "day", usd: 0.05 }] });
    const refused = await searching(() => send({ path: "/messages", body: JSON.stringify(toolCall("other", 9)) }));
    expect(JSON.parse(refused.text)).toMatchObject({ id: 9, error: { code: -32_000 } });
    expect(seen).toEqual([]);
  });

  test.each<[string, unknown, unknown]>([
    ["one call", toolCall("other", 9), { jsonrpc: "2.0", id: 9, error: { code: -32_000 } }],
    [
      "a batch",
      [toolCall("other", 1), { method: "ping", id: "b" }, { method: "notifications/initialized" }],
      [
        { id: 1, error: { code: -32_000 } },
        { id: "b", error: { code: -32_000 } },
      ],
    ],
  ])("MCP: %s is refused as JSON-RPC", async (_name, message, expected) => {
    await start(TOOLS, { budgets: [{ per: "day", usd: 0.05 }] });
    const refused = await searching(() => send({ path: "/mcp", body: JSON.stringify(message) }));
    expect(refused.status).toBe(200);
    expect(JSON.parse(refused.text)).toMatchObject(expected as object);
    expect(seen).toEqual([]);
  });
});
