import { createHash, randomBytes } from "node:crypto";
import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../eventually.ts";
import * as wire from "../servers/formats.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { type Stage, startStage } from "./stage.ts";

let vendor: ModelServer;
let stage: Stage | undefined;
beforeAll(async () => {
  vendor = await startModelServer();
});
afterAll(() => vendor.close());
afterEach(async () => {
  await stage?.close();
  stage = undefined;
});

async function open(...args: Parameters<typeof startStage> extends [string, ...infer More] ? More : never) {
  stage = await startStage(vendor.url, ...args);
  return stage;
}

const CHAT = { model: "gpt-5-mini", messages: [{ role: "user", content: "Hello" }] };
const ANSWER = wire.chatCompletion(
  { id: "chatcmpl-1", model: "gpt-5-mini" },
  { content: "Hello" },
  wire.chatUsage({ input: 1000, output: 100, cached: 200, reasoning: 40 }),
);
const MESSAGE = wire.anthropicMessage({ id: "msg_1", model: "claude-sonnet-4-6" }, [], "end_turn", {
  input_tokens: 800,
  cache_read_input_tokens: 200,
  output_tokens: 100,
});

function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer sk-secret", ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
  });
}

describe("a call", () => {
  test("passes byte for byte, and is metered once", async () => {
    const { proxy, settled } = await open();
    vendor.play(
      wire.whole(ANSWER, { "x-request-id": "req_1", "content-length": String(JSON.stringify(ANSWER).length) }),
    );
    const body = `{ "model": "gpt-5-mini",\n "messages": [{"role":"user","content":"Grüße"}] }`;
    const answer = await post(`${proxy.url}/agent/writer/openai/v1/chat/completions?x=%20y`, body, { "x-own": "1" });
    expect(await answer.text()).toBe(JSON.stringify(ANSWER));
    expect(answer.headers.get("x-request-id")).toBe("req_1");
    expect(answer.headers.get("content-length")).toBe(String(JSON.stringify(ANSWER).length));
    const [visit] = vendor.visits;
    expect(visit).toMatchObject({ method: "POST", path: "/v1/chat/completions?x=%20y", body });
    expect(visit?.headers).toMatchObject({ authorization: "Bearer sk-secret", "x-own": "1", host: vendor.host });
    expect(settled).toHaveLength(1);
    expect(settled[0]).toMatchObject({
      scope: { agent: "writer", rootAgent: "writer" },
      quality: "reported",
      usage: { input: 1000, cacheRead: 200, output: 100, reasoning: 40 },
    });
  });

  test("of each API reaches it", async () => {
    const { proxy, settled } = await open();
    vendor.play(({ path }) =>
      path.includes("messages")
        ? wire.whole(MESSAGE)
        : path.includes("generateContent")
          ? wire.whole(
              wire.geminiAnswer(
                { id: "r1", model: "gemini-2.5-flash" },
                [{ text: "Hi" }],
                wire.geminiUsage({ input: 9, output: 3 }),
                "STOP",
              ),
            )
          : wire.whole(ANSWER),
    );
    await post(`${proxy.url}/openai/v1/chat/completions`, CHAT);
    await post(`${proxy.url}/anthropic/v1/messages?beta=true`, {
      model: "claude-sonnet-4-6",
      max_tokens: 9,
      messages: [],
    });
    await post(`${proxy.url}/anthropic/messages`, { model: "claude-sonnet-4-6", max_tokens: 9, messages: [] });
    await post(`${proxy.url}/gemini/v1beta/models/gemini-2.5-flash:generateContent`, { contents: [] });
    expect(vendor.visits.map(({ path }) => path)).toEqual([
      "/v1/chat/completions",
      "/v1/messages?beta=true",
      "/v1/messages",
      "/v1beta/models/gemini-2.5-flash:generateContent",
    ]);
    await eventually(() =>
      expect(settled.map(({ format }) => format)).toEqual([
        "openai-chat",
        "anthropic-messages",
        "anthropic-messages",
        "google-generate",
      ]),
    );
  });

  test("of a stream that lacks usage is asked for it, and the client does not see that", async () => {
    const { proxy, settled } = await open();
    const origin = { id: "chatcmpl-1", model: "gpt-5-mini" };
    const shown = [wire.chatDelta(origin, { content: "Hel" }), wire.chatDelta(origin, { content: "lo" }, {}, "stop")];
    const usage = wire.chatChunk(origin, [], { usage: wire.chatUsage({ input: 7, output: 2 }) });
    vendor.play(({ body }) => wire.streamed(...shown, body.includes("include_usage") ? usage : "", wire.DONE));
    const answer = await post(`${proxy.url}/openai/v1/chat/completions`, { ...CHAT, stream: true });
    expect(await answer.text()).toBe(shown.join("") + wire.DONE);
    expect(settled[0]).toMatchObject({ quality: "reported", usage: { input: 7, output: 2 } });
  });

  test.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["br", brotliCompressSync],
    ["zstd", zstdCompressSync],
  ] as const)("with a body in %s is read, and passed as it came", async (coding, compress) => {
    const bytes = compress(JSON.stringify(CHAT));
    const got = Promise.withResolvers<Buffer>();
    const own = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        got.resolve(Buffer.concat(chunks));
        response.setHeader("content-type", "application/json").end(JSON.stringify(ANSWER));
      });
    });
    stage = await startStage(await listening(own));
    await post(`${stage.proxy.url}/openai/v1/chat/completions`, bytes, { "content-encoding": coding });
    expect((await got.promise).equals(bytes)).toBe(true);
    expect(stage.settled).toMatchObject([{ requestModel: "gpt-5-mini", usage: { input: 1000 } }]);
    own.close();
  });
});

/** The address of a server of the test. */
async function listening(server: ReturnType<typeof createServer>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("who calls", () => {
  const codex = { originator: "codex_exec", "user-agent": "codex_exec/0.171.0" };
  test.each([
    ["by path", "/agent/Night%20Review", {}, { agent: "night_review", rootAgent: "night_review" }],
    ["by header", "", { "x-spendfuse-agent": "writer" }, { agent: "writer", rootAgent: "writer" }],
    [
      "by a header below a path",
      "/agent/boss",
      { "x-spendfuse-agent": "writer" },
      { agent: "writer", rootAgent: "boss" },
    ],
    ["by key", "", { authorization: "Bearer sk-named" }, { agent: "named", rootAgent: "named" }],
    ["by program", "", codex, { agent: "codex", rootAgent: "codex" }],
    [
      "a sub-agent of Codex",
      "/agent/boss",
      { ...codex, "x-codex-turn-metadata": '{"agent_name":"/root/look_around","session_id":"s1"}' },
      { agent: "look_around", rootAgent: "boss", conversation: "s1" },
    ],
    [
      "the main agent of Codex",
      "/agent/boss",
      { ...codex, "x-codex-turn-metadata": '{"agent_name":"/root","session_id":"s1"}' },
      { agent: "boss", rootAgent: "boss", conversation: "s1" },
    ],
    [
      "a sub-agent of Claude Code",
      "",
      {
        "user-agent": "claude-cli/2.1.332 (external, cli)",
        "x-claude-code-agent-id": "a9",
        "x-claude-code-session-id": "s2",
      },
      { agent: "subagent", rootAgent: "claude-code", conversation: "s2" },
    ],
    [
      "the scope of whoever started it",
      `/scope/${Buffer.from("spendfuse.agents=planner|flights,spendfuse.run=r1").toString("base64url")}`,
      {},
      { agent: "flights", rootAgent: "planner", run: "r1" },
    ],
  ])("%s", async (_name, prefix, headers, expected) => {
    const agentOfKey = ({ authorization }: IncomingMessage["headers"]) =>
      authorization === "Bearer sk-named" ? "named" : undefined;
    const { proxy, settled } = await open({}, { agentOfKey });
    vendor.play(wire.whole(ANSWER));
    await (await post(`${proxy.url}${prefix}/openai/v1/chat/completions`, CHAT, headers)).text();
    expect(settled.map(({ scope }) => scope)).toMatchObject([expected]);
    const sent = Object.keys(vendor.visits[0]?.headers ?? {}).filter((name) => name.startsWith("x-spendfuse"));
    expect(sent).toEqual([]);
  });
});

describe("what is no model call", () => {
  test.each([
    ["HEAD", "/anthropic", "/"],
    ["HEAD", "/anthropic/api/hello", "/api/hello"],
    ["GET", "/openai/v1/models?limit=9", "/v1/models?limit=9"],
    ["POST", "/anthropic/v1/messages/count_tokens", "/v1/messages/count_tokens"],
    ["GET", "/openai/api/codex/usage", "/api/codex/usage"],
    ["DELETE", "/openai/v1/files/file-1", "/v1/files/file-1"],
  ])("%s %s passes unmetered", async (method, path, expected) => {
    const { proxy, settled, runtime } = await open();
    vendor.play({ status: 418, headers: { "x-own": "1" }, steps: method === "HEAD" ? ["head"] : ["short"] });
    const init =
      method === "POST" ? { method, body: "{}", headers: { "content-type": "application/json" } } : { method };
    const answer = await fetch(proxy.url + path, init);
    expect([answer.status, answer.headers.get("x-own")]).toEqual([418, "1"]);
    expect(vendor.visits).toMatchObject([{ method, path: expected }]);
    await runtime.flush();
    expect(settled).toEqual([]);
  });

  test("a redirect is passed on, not followed", async () => {
    const { proxy } = await open();
    vendor.play({ status: 307, headers: { location: "http://127.0.0.1:9/elsewhere" }, steps: ["head"] });
    const answer = await fetch(`${proxy.url}/openai/v1/models`, { redirect: "manual" });
    expect([answer.status, answer.headers.get("location")]).toEqual([307, "http://127.0.0.1:9/elsewhere"]);
  });

  test("a request that would change to HTTP/2 is answered as it is", async () => {
    const { proxy } = await open();
    vendor.play(wire.whole(ANSWER));
    const socket = connect(Number(new URL(proxy.url).port), "127.0.0.1");
    socket.write(
      "GET /openai/v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n",
    );
    const head = await new Promise((resolve) =>
      socket.once("data", (bytes) => resolve(String(bytes).split("\r\n")[0])),
    );
    socket.destroy();
    expect(head).toBe("HTTP/1.1 200 OK");
  });
});

describe("a stream", () => {
  const origin = { id: "chatcmpl-1", model: "gpt-5-mini" };

  test("comes as it is sent", async () => {
    const { proxy } = await open();
    const more = Promise.withResolvers<void>();
    vendor.play(wire.streamed(wire.chatDelta(origin, { content: "a" }), { until: more.promise }, wire.DONE));
    const answer = await post(`${proxy.url}/openai/v1/chat/completions`, { ...CHAT, stream: true });
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toContain('"a"');
    more.resolve();
    while (!(await reader.read()).done);
  });

  test("that the client leaves is ended at the vendor, and settled as canceled", async () => {
    const { proxy, settled } = await open();
    vendor.play(wire.streamed(wire.chatDelta(origin, { content: "a" }), "hang"));
    const answer = await post(`${proxy.url}/openai/v1/chat/completions`, { ...CHAT, stream: true });
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    const visit = await vendor.visit(0);
    expect((await visit.over).by).toBe("client");
    await eventually(() => expect(settled).toMatchObject([{ ending: "canceled" }]));
  });

  test("that the client leaves before its head is ended too", async () => {
    const { proxy, settled } = await open();
    vendor.play(wire.streamed("hang"));
    const gone = new AbortController();
    const answer = fetch(`${proxy.url}/openai/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(CHAT),
      signal: gone.signal,
    });
    const visit = await vendor.visit(0);
    gone.abort();
    await expect(answer).rejects.toThrow();
    expect((await visit.over).by).toBe("client");
    await eventually(() => expect(settled).toMatchObject([{ ending: "canceled" }]));
  });

  test("that the vendor cuts is cut for the client", async () => {
    const { proxy, settled } = await open();
    vendor.play(wire.streamed(wire.chatDelta(origin, { content: "a" }), { pause: 20 }, "cut"));
    const answer = await post(`${proxy.url}/openai/v1/chat/completions`, { ...CHAT, stream: true });
    await expect(answer.text()).rejects.toThrow();
    await eventually(() => expect(settled).toMatchObject([{ ending: "failed" }]));
  });

  test("a vendor that cannot be reached is an answer that clients try again", async () => {
    const { proxy, settled } = await open({}, { upstreams: { openai: "http://127.0.0.1:9/v1" } });
    const answer = await post(`${proxy.url}/openai/v1/chat/completions`, CHAT);
    expect(answer.status).toBe(502);
    expect(await answer.json()).toMatchObject({ error: { message: expect.stringContaining("127.0.0.1:9") } });
    await eventually(() => expect(settled).toMatchObject([{ ending: "failed" }]));
  });

  test("of 20 MB for a slow reader is equal, and is not kept", async () => {
    const total = 20 * 1024 * 1024;
    const content = randomBytes(1024 * 1024);
    let sent = 0;
    const own = createServer((_request, response) => {
      response.setHeader("content-type", "application/octet-stream");
      const send = (): void => {
        while (sent < total) {
          sent += content.length;
          if (!response.write(content)) return void response.once("drain", send);
        }
        response.end();
      };
      send();
    });
    const at = await listening(own);
    stage = await startStage(at);
    const { proxy } = stage;
    const hash = createHash("sha256");
    const expected = createHash("sha256");
    for (let n = 0; n < total; n += content.length) expected.update(content);
    const message = await new Promise<IncomingMessage>((resolve) => {
      httpRequest(`${proxy.url}/openai/v1/files/f/content`, resolve).end();
    });
    // A reader that has stopped stops the vendor: what lies between them is what sockets hold.
    await eventually(() => expect(sent).toBeGreaterThan(0));
    let before = -1;
    while (before !== sent) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(sent).toBeLessThan(total);
    for await (const chunk of message) hash.update(chunk as Buffer);
    expect(hash.digest("hex")).toBe(expected.digest("hex"));
    own.close();
  });
});

test("a body that is too long to be kept is sent on as it comes, and is equal", async () => {
  const hash = createHash("sha256");
  const own = createServer(async (request, response) => {
    for await (const chunk of request) hash.update(chunk as Buffer);
    response.end("taken");
  });
  stage = await startStage(await listening(own));
  const part = Buffer.alloc(1024 * 1024, "x");
  const expected = createHash("sha256");
  async function* parts(): AsyncGenerator<Buffer> {
    for (let n = 0; n < 70; n++) {
      expected.update(part);
      yield part;
    }
  }
  const headers = { "content-type": "application/json" };
  const init = { method: "POST", headers, body: parts(), duplex: "half" } as unknown as RequestInit;
  const answer = await fetch(`${stage.proxy.url}/openai/v1/vectors`, init);
  expect(await answer.text()).toBe("taken");
  expect(hash.digest("hex")).toBe(expected.digest("hex"));
  own.close();
});

test("50 calls at once are 50 records", async () => {
  const { proxy, settled } = await open();
  vendor.play(wire.whole(ANSWER));
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) => post(`${proxy.url}/agent/a${n}/openai/v1/chat/completions`, CHAT)),
  );
  for (const answer of answers) expect(await answer.text()).toBe(JSON.stringify(ANSWER));
  expect(new Set(settled.map(({ scope }) => scope.agent)).size).toBe(50);
  expect(settled).toHaveLength(50);
});
