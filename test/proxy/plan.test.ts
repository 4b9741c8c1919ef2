import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_UPSTREAMS, upstreamUrl } from "../../src/proxy/address.ts";
import { childEnvironment } from "../../src/proxy/children.ts";
import { answerAgents, USED } from "../servers/agent-vendor.ts";
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

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const jwt = (claims: object): string => `${part({ alg: "RS256" })}.${part(claims)}.c2ln`;
const CHATGPT = jwt({ "https://api.openai.com/auth": { chatgpt_plan_type: "pro", chatgpt_account_id: "a" } });

const RESPONSES = ["/openai/v1/responses", { model: "gpt-5", input: "Hello" }] as const;
const MESSAGES = [
  "/anthropic/v1/messages",
  { model: "claude-sonnet-4-6", max_tokens: 9, messages: [{ role: "user", content: "Hello" }] },
] as const;

async function send(path: string, body: object, headers: Record<string, string>): Promise<Response> {
  return await fetch(`${stage?.proxy.url}/agent/a${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

describe("a call on a login", () => {
  const rows: readonly [
    who: string,
    Record<string, string>,
    readonly [string, object],
    priced: string,
    key: unknown,
  ][] = [
    ["Claude's subscription", { authorization: "Bearer sk-ant-oat01-abc" }, MESSAGES, "plan", "plan"],
    [
      "an API key of Anthropic",
      { "x-api-key": "sk-ant-api03-abc" },
      MESSAGES,
      "true",
      expect.not.stringMatching("plan"),
    ],
    ["an API key as bearer", { authorization: "Bearer sk-ant-api03-abc" }, MESSAGES, "true", expect.any(String)],
    ["ChatGPT's, by its claim", { authorization: `Bearer ${CHATGPT}` }, RESPONSES, "plan", "plan"],
    [
      "ChatGPT's, by its account",
      { authorization: `Bearer ${jwt({})}`, "chatgpt-account-id": "a" },
      RESPONSES,
      "plan",
      "plan",
    ],
    [
      "another JWT, as of a gateway",
      { authorization: `Bearer ${jwt({ sub: "me" })}` },
      RESPONSES,
      "true",
      expect.not.stringMatching("plan"),
    ],
    ["an API key of OpenAI", { authorization: "Bearer sk-proj-abc" }, RESPONSES, "true", expect.any(String)],
  ];

  test.each(rows)("%s", async (_who, headers, [path, body], priced, key) => {
    stage = await startStage(vendor.url);
    vendor.play(answerAgents);
    await (await send(path, body, headers)).text();
    expect(stage.settled).toHaveLength(1);
    const [call] = stage.settled;
    expect(call).toMatchObject({ priced, quality: "reported", usage: { input: USED.input }, scope: { key } });
    expect(call?.costUsd).toBeGreaterThan(0);
  });

  test("counts in a budget, and in one of the key `plan` alone", async () => {
    const budgets = [{ name: "subscription", scope: { key: "plan" }, per: "hour", usd: 0.004 }];
    stage = await startStage(vendor.url, { budgets });
    vendor.play(answerAgents);
    const plan = { authorization: "Bearer sk-ant-oat01-abc" };
    const statuses: number[] = [];
    for (let turn = 0; turn < 4; turn++) statuses.push((await send(...MESSAGES, plan)).status);
    expect(statuses).toContain(402);
    expect((await send(...MESSAGES, { "x-api-key": "sk-ant-api03-abc" })).status).toBe(200);
  });

  test("of a key that is called so in the configuration", async () => {
    const { hashKey } = await import("../../src/meter/identity/api-key.ts");
    stage = await startStage(vendor.url, { keys: { [hashKey("coding-plan")]: "plan" } });
    vendor.play(answerAgents);
    await (await send(...RESPONSES, { authorization: "Bearer coding-plan" })).text();
    expect(stage.settled[0]).toMatchObject({ priced: "plan", scope: { key: "plan" } });
  });

  test("of Gemini's Code Assist, whose requests and answers are wrapped", async () => {
    const hosts = [{ host: vendor.host, like: "cloudcode-pa.googleapis.com" }];
    stage = await startStage(vendor.url, { hosts });
    const answer = wire.geminiAnswer(
      { id: "g1", model: "gemini-2.5-pro" },
      [{ text: "Hi" }],
      wire.geminiUsage(USED),
      "STOP",
    );
    vendor.play(wire.streamed(wire.data({ response: answer, traceId: "t" })));
    const request = { contents: [{ role: "user", parts: [{ text: "Hello" }] }] };
    const sent = await send(
      "/gemini/v1internal:streamGenerateContent?alt=sse",
      { model: "gemini-2.5-pro", project: "p", request },
      { authorization: "Bearer ya29.abc" },
    );
    expect(await sent.text()).toContain("Hi");
    expect(stage.settled[0]).toMatchObject({
      ...{ format: "google-generate", requestModel: "gemini-2.5-pro", model: "gemini-2.5-pro", stream: true },
      ...{ priced: "plan", quality: "reported", scope: { key: "plan" }, usage: { input: USED.input } },
    });
    expect(stage.settled[0]?.costUsd).toBeGreaterThan(0);
  });
});

test.each([
  ["openai", "/v1/responses", { "chatgpt-account-id": "a" }, "https://chatgpt.com/backend-api/codex/responses"],
  ["openai", "/v1/responses", {}, "https://api.openai.com/v1/responses"],
  ["openai", "/backend-api/wham/usage", { "chatgpt-account-id": "a" }, "https://api.openai.com/backend-api/wham/usage"],
  ["gemini", "/v1internal:loadCodeAssist", {}, "https://cloudcode-pa.googleapis.com/v1internal:loadCodeAssist"],
  ["gemini", "/v1beta/models", {}, "https://generativelanguage.googleapis.com/v1beta/models"],
] as const)("%s %s %j goes to %s", (api, rest, headers, url) => {
  expect(upstreamUrl({ api, rest }, DEFAULT_UPSTREAMS, headers)).toBe(url);
  const own = { ...DEFAULT_UPSTREAMS, [api]: "https://own.example/v1" };
  expect(upstreamUrl({ api, rest }, own, headers)).toMatch(/^https:\/\/own\.example\//);
});

test("Gemini CLI with a login finds the proxy", () => {
  const at = { openai: "http://p/openai/v1", anthropic: "http://p/anthropic", gemini: "http://p/gemini" };
  expect(childEnvironment({}, at, "http://p")).toMatchObject({ CODE_ASSIST_ENDPOINT: "http://p/gemini" });
  expect(childEnvironment({ CODE_ASSIST_ENDPOINT: "http://own" }, at, "http://p")).toMatchObject({
    CODE_ASSIST_ENDPOINT: "http://own",
  });
});
