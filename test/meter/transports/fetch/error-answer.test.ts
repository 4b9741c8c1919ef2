import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createRuntime, type Runtime } from "../../../../src/process/runtime.ts";
import { type ModelServer, type Script, startModelServer } from "../../../servers/model-server.ts";

const CAP = JSON.stringify({ error: { code: "insufficient_quota", message: "You exceeded your current quota" } });
const JSON_TYPE = { "content-type": "application/json" };
const native = globalThis.fetch;

let server: ModelServer;
let runtime: Runtime;

beforeAll(async () => {
  server = await startModelServer();
  runtime = createRuntime(() => {});
  const budgets = [{ per: "hour", usd: 1_000 }];
  await runtime.start({
    telemetry: false,
    env: {},
    config: { budgets, hosts: [{ host: server.host, like: "api.openai.com" }] },
  });
});
afterAll(async () => {
  await runtime.stop();
  await server.close();
});
beforeEach(() => server.drop());

/** Each call has a key of its own, whose circuit the vendor's cap opens. */
let calls = 0;
function send(fetch: typeof native): Promise<Response> {
  calls += 1;
  return fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers: { ...JSON_TYPE, authorization: `Bearer sk-${calls}` },
    body: JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "hi" }] }),
  });
}

async function seen(fetch: typeof native): Promise<object> {
  const response = await send(fetch);
  const { status, statusText, url, type, redirected, bodyUsed } = response;
  const headers = Object.fromEntries(response.headers);
  delete headers.date;
  const body = await response.text().catch((error: Error) => `${error.name}: ${error.message}`);
  return { status, statusText, url, type, redirected, bodyUsed, headers, body, used: response.bodyUsed };
}

const big = JSON.stringify({ error: { message: "x".repeat(100_000) } });
const ANSWERS: Readonly<Record<string, Script>> = {
  "in chunks": { status: 429, headers: JSON_TYPE, steps: ['{"error":', '{"message":"slow down"}}'] },
  "with its length": { status: 429, headers: { ...JSON_TYPE, "content-length": "2" }, steps: ["{}"] },
  "larger than a cap's": { status: 429, headers: JSON_TYPE, steps: [big] },
  "cut in the middle": { status: 429, headers: JSON_TYPE, steps: ['{"error":', { pause: 20 }, "cut"] },
  "slower than is waited for": { status: 429, headers: JSON_TYPE, steps: ['{"error":', { pause: 150 }, "1}"] },
  "no JSON": { status: 400, headers: JSON_TYPE, steps: ["<html>"] },
  empty: { status: 402, headers: JSON_TYPE, steps: ["head"] },
};

describe("an error is the vendor's own", () => {
  test.each(Object.keys(ANSWERS))("%s", async (name) => {
    server.play(ANSWERS[name] as Script);
    const bare = await seen(native);
    expect(await seen(runtime.wrapFetch(native))).toEqual(bare);
  });

  test("also where it is a cap of the vendor's, but for the header that ends retries", async () => {
    server.play({ status: 429, headers: JSON_TYPE, steps: [CAP] });
    const { headers, ...bare } = (await seen(native)) as { headers: object };
    expect(await seen(runtime.wrapFetch(native))).toEqual({
      ...bare,
      headers: { ...headers, "x-should-retry": "false" },
    });
  });
});

test("the status is there before a body that never ends, and cancelling it reaches the server", async () => {
  server.play({ status: 429, headers: JSON_TYPE, steps: ["{", "hang"] });
  const began = performance.now();
  const response = await send(runtime.wrapFetch(native));
  expect(response.status).toBe(429);
  expect(performance.now() - began).toBeLessThan(1_000);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe("{");
  await reader.cancel();
  expect((await (await server.visit(0)).over).by).toBe("client");
});

test("of an endless body no more is read than a cap's error may have", async () => {
  const chunk = "x".repeat(64 * 1024);
  server.play({ status: 429, headers: JSON_TYPE, steps: [...Array.from({ length: 2_000 }, () => chunk), "hang"] });
  const before = process.memoryUsage().rss;
  const response = await send(runtime.wrapFetch(native));
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(process.memoryUsage().rss - before).toBeLessThan(60 * 1024 * 1024);
  await response.body?.cancel();
});
