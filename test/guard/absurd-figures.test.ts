import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { answer, chat, type Guarded, guard, MODEL } from "./guarded.ts";

let server: ModelServer;
let guarded: Guarded | undefined;

beforeAll(async () => {
  server = await startModelServer();
});
afterEach(async () => {
  await guarded?.stop();
  guarded = undefined;
});
afterAll(() => server.close());

const BUDGETS = [
  { scope: { agent: "*" }, per: "month", usd: 1 },
  { scope: { agent: "*" }, per: "month", tokens: 1_000_000 },
  { per: "month", usd: 2 },
] as const;

/** Each format with its path, its request, and a whole answer with this usage. */
const FORMATS: Readonly<Record<string, { path: string; request: object; body: (usage: object) => object }>> = {
  chat: {
    path: "/v1/chat/completions",
    request: { model: MODEL, messages: [{ role: "user", content: "Hi" }] },
    body: (usage) => ({
      id: "1",
      model: MODEL,
      object: "chat.completion",
      choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: "stop" }],
      usage: { prompt_tokens: 10, completion_tokens: 5, ...usage },
    }),
  },
  responses: {
    path: "/v1/responses",
    request: { model: MODEL, input: "Hi" },
    body: (usage) => ({
      id: "1",
      model: MODEL,
      object: "response",
      status: "completed",
      output: [],
      usage: { input_tokens: 10, output_tokens: 5, ...usage },
    }),
  },
  embeddings: {
    path: "/v1/embeddings",
    request: { model: MODEL, input: "Hi" },
    body: (usage) => ({ model: MODEL, object: "list", data: [], usage: { prompt_tokens: 10, ...usage } }),
  },
  messages: {
    path: "/v1/messages",
    request: { model: MODEL, max_tokens: 10, messages: [{ role: "user", content: "Hi" }] },
    body: (usage) => ({
      id: "1",
      model: MODEL,
      type: "message",
      role: "assistant",
      content: [],
      stop_reason: "end_turn",
      usage: { input_tokens: 10, output_tokens: 5, ...usage },
    }),
  },
  generate: {
    path: `/v1beta/models/${MODEL}:generateContent`,
    request: { contents: [{ parts: [{ text: "Hi" }] }] },
    body: (usage) => ({
      modelVersion: MODEL,
      candidates: [{ content: { parts: [] }, finishReason: "STOP" }],
      usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, ...usage },
    }),
  },
};

/** The members of each format's usage, and one that lies deeper. */
const MEMBERS: readonly (readonly [format: string, usage: (figure: unknown) => object])[] = [
  ["chat", (figure) => ({ prompt_tokens: figure })],
  ["chat", (figure) => ({ completion_tokens: figure })],
  ["chat", (figure) => ({ prompt_tokens_details: { cached_tokens: figure } })],
  ["chat", (figure) => ({ completion_tokens_details: { reasoning_tokens: figure } })],
  ["responses", (figure) => ({ input_tokens: figure })],
  ["responses", (figure) => ({ output_tokens: figure })],
  ["responses", (figure) => ({ input_tokens_details: { cached_tokens: figure } })],
  ["embeddings", (figure) => ({ prompt_tokens: figure })],
  ["messages", (figure) => ({ input_tokens: figure })],
  ["messages", (figure) => ({ output_tokens: figure })],
  ["messages", (figure) => ({ cache_creation_input_tokens: figure })],
  ["messages", (figure) => ({ server_tool_use: { web_search_requests: figure } })],
  ["generate", (figure) => ({ promptTokenCount: figure })],
  ["generate", (figure) => ({ candidatesTokenCount: figure })],
  ["generate", (figure) => ({ cachedContentTokenCount: figure })],
];
/** Counts that are too much; as JSON. */
const TOO_MUCH = ["1e300", "9007199254740993", "2147483648"];
/** What is no count: a host may write it for what it does not know. `1e400` is infinite once it is parsed. */
const NO_COUNT = ["1e400", "-1e400", "-5", '"many"', '"12"', '{"a":1}', "[7]", "true", "null"];

async function call(format: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
  const { path, request } = FORMATS[format] as (typeof FORMATS)[string];
  server.play({ headers: { "content-type": "application/json", ...headers }, steps: [body] });
  const one = guarded as Guarded;
  const response = await one.runtime.scoping.scope({ agent: "absurd" }, () =>
    one.fetch(`${server.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer sk-test" },
      body: JSON.stringify(request),
    }),
  );
  expect(response.status).toBe(200);
  await response.text();
}

/** The innocent can still call, and count to the cent. */
async function expectInnocence(): Promise<void> {
  const one = guarded as Guarded;
  server.play(answer(100, 100));
  const before = one.settled.length;
  expect((await chat(one, server.url, { agent: "innocent" })).status).toBe(200);
  expect(one.settled[before]).toMatchObject({ costUsd: 0.0002, usage: { input: 100, output: 100 } });
  for (const { scope, spent, inUse } of one.runtime.budgets()) {
    expect(Number.isSafeInteger(spent), scope).toBe(true);
    expect(Number.isSafeInteger(inUse), scope).toBe(true);
    expect(spent).toBeLessThan(1e9);
  }
  const sums = one.runtime.ledger.sums("all", "ever", Date.now());
  expect(Object.values(sums ?? {}).every(Number.isSafeInteger)).toBe(true);
}

describe.each(TOO_MUCH)("a count of %s", (figure) => {
  test("is a fault in every member of every format, said once, and no usage", async () => {
    guarded = await guard(server, { budgets: BUDGETS });
    let wrong = 0;
    for (const [format, usage] of MEMBERS) {
      const body = JSON.stringify(FORMATS[format]?.body(usage("FIGURE"))).replace('"FIGURE"', figure);
      await call(format, body);
      wrong += 1;
      const last = guarded.settled.at(-1);
      expect(last, `${format}: ${body}`).toMatchObject({ quality: "unknown" });
      expect(last?.usage).toBeUndefined();
      expect(last?.costUsd).toBeUndefined();
      expect(guarded.runtime.faults.counts().get("figure"), `${format}: ${body}`).toBe(wrong);
    }
    await expectInnocence();
    const said = guarded.said.filter((line) => line.includes('step "figure"'));
    expect(said).toHaveLength(1);
    expect(said[0]).toContain(JSON.stringify(JSON.parse(figure)));
  });
});

describe.each(NO_COUNT)("a count of %s", (figure) => {
  test("counts nothing in any member of any format, and is no fault", async () => {
    guarded = await guard(server, { budgets: BUDGETS });
    for (const [format, usage] of MEMBERS) {
      const body = JSON.stringify(FORMATS[format]?.body(usage("FIGURE"))).replace('"FIGURE"', figure);
      await call(format, body);
      const last = guarded.settled.at(-1);
      for (const count of [...Object.values(last?.usage ?? {}), last?.costUsd ?? 0]) {
        expect(count >= 0 && count < 10_000, `${format}: ${body}`).toBe(true);
      }
    }
    expect(guarded.runtime.faults.counts().get("figure")).toBeUndefined();
    await expectInnocence();
  });
});

describe.each(["-1", "NaN", "Infinity", "much"])("a cost of %s", (figure) => {
  test.each(["header", "usage.cost"])("in %s is none: the price book decides", async (place) => {
    guarded = await guard(server, { budgets: BUDGETS });
    const usage = place === "header" ? {} : { cost: Number.isNaN(Number(figure)) ? figure : Number(figure) };
    const body = JSON.stringify(FORMATS.chat?.body(usage)).replace('"cost":null', '"cost":1e999');
    await call("chat", body, place === "header" ? { "x-litellm-response-cost": figure } : {});
    expect(guarded.settled[0]).toMatchObject({ usage: { input: 10, output: 5 }, costUsd: 0.000015, priced: "true" });
    expect(guarded.runtime.faults.counts().get("figure")).toBeUndefined();
    await expectInnocence();
  });
});

describe.each(["1e300", "100001"])("a cost of %s", (figure) => {
  test.each(["header", "usage.cost"])("in %s is a fault and no money; the tokens count", async (place) => {
    guarded = await guard(server, { budgets: BUDGETS });
    const usage = place === "header" ? {} : { cost: Number.isNaN(Number(figure)) ? figure : Number(figure) };
    const body = JSON.stringify(FORMATS.chat?.body(usage)).replace('"cost":null', '"cost":1e999');
    await call("chat", body, place === "header" ? { "x-litellm-response-cost": figure } : {});
    expect(guarded.settled[0]).toMatchObject({ usage: { input: 10, output: 5 }, priced: "false" });
    expect(guarded.settled[0]?.costUsd).toBeUndefined();
    expect(guarded.runtime.faults.counts().get("figure")).toBe(1);
    await expectInnocence();
  });
});

test.each([["0"], ["None"], [""]])("a cost header of %j says that there is none, and is no fault", async (value) => {
  guarded = await guard(server, { budgets: BUDGETS });
  await call("chat", JSON.stringify(FORMATS.chat?.body({})), { "x-litellm-response-cost": value });
  expect(guarded.settled[0]).toMatchObject({ costUsd: 0.000015, priced: "true" });
  expect(guarded.runtime.faults.counts().get("figure")).toBeUndefined();
});

test("a price that makes a call cost more than any can is a fault, and no money", async () => {
  const prices = [{ model: MODEL, inputPerMTok: 1e6, outputPerMTok: 1e6 }];
  guarded = await guard(server, { prices });
  server.play(answer(200_000, 200_000));
  expect((await chat(guarded, server.url)).status).toBe(200);
  expect(guarded.settled[0]).toMatchObject({ usage: { input: 200_000 }, priced: "false" });
});

test("a request for absurdly many tokens spoils no sum", async () => {
  guarded = await guard(server, { budgets: BUDGETS });
  server.play(answer(1, 1));
  expect((await chat(guarded, server.url, { agent: "absurd", maxTokens: 1e300 })).status).toBe(402);
  await expectInnocence();
});
