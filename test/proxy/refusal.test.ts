import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { type Stage, startStage } from "./stage.ts";

let vendor: ModelServer;
let stage: Stage;
beforeAll(async () => {
  vendor = await startModelServer();
});
afterAll(() => vendor.close());
afterEach(() => stage.close());

const RESPONSES = { model: "gpt-5", input: "Hello", stream: true };
const MESSAGES = { model: "claude-sonnet-4-6", max_tokens: 9, messages: [{ role: "user", content: "Hello" }] };
const CODEX = { originator: "codex_exec", "user-agent": "codex_exec/0.171.0" };

/** The answer to a call that is over its budget. */
async function refused(path: string, body: object, headers: Record<string, string>): Promise<Response> {
  stage = await startStage(vendor.url, { budgets: [{ name: "tiny", per: "hour", usd: 0.000001 }] });
  vendor.play({ steps: ["never"] });
  return await fetch(stage.proxy.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

test.each([
  ["LiteLLM", { "user-agent": "OpenAI/Python 2.20.0", "x-stainless-raw-response": "true" }, 400],
  ["LiteLLM, asynchronous", { "user-agent": "AsyncOpenAI/Python 3.57.0", "x-stainless-raw-response": "true" }, 400],
  ["OpenAI's SDK", { "user-agent": "OpenAI/Python 3.57.0" }, 402],
  ["OpenAI's SDK of JavaScript", { "user-agent": "OpenAI/JS 6.1.0", "x-stainless-raw-response": "true" }, 402],
  ["Qwen Code", { "user-agent": "QwenCode/0.24.4 (linux; x64)" }, 402],
])("%s gets the status that it takes as final, with the same body", async (_name, headers, status) => {
  const body = { model: "gpt-5-mini", messages: [{ role: "user", content: "Hello" }] };
  const answer = await refused("/openai/v1/chat/completions", body, headers);
  expect([answer.status, answer.headers.get("x-should-retry")]).toEqual([status, "false"]);
  expect(await answer.json()).toMatchObject({
    error: { message: expect.stringContaining('budget "tiny"'), spendfuse: { reason: "budget", budget: "tiny" } },
  });
  expect(vendor.visits).toEqual([]);
});

test("Codex gets an event that ends its turn", async () => {
  const answer = await refused("/openai/v1/responses", RESPONSES, CODEX);
  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const [name, data = ""] = (await answer.text()).split("\n");
  expect(name).toBe("event: response.failed");
  expect(JSON.parse(data.replace("data: ", ""))).toMatchObject({
    type: "response.failed",
    response: {
      status: "failed",
      error: { code: "invalid_prompt", message: expect.stringContaining('budget "tiny"') },
    },
  });
  expect(vendor.visits).toEqual([]);
  expect(stage.settled).toMatchObject([{ ending: "blocked", scope: { agent: "codex" } }]);
});

test("an SDK gets the 402 of its API", async () => {
  const answer = await refused("/openai/v1/responses", RESPONSES, { "user-agent": "OpenAI/Python 3.57.0" });
  expect([answer.status, answer.headers.get("x-should-retry")]).toEqual([402, "false"]);
  expect(await answer.json()).toMatchObject({ error: { message: expect.stringContaining('budget "tiny"') } });
});

test("Claude Code gets the 402 of its API", async () => {
  const answer = await refused("/anthropic/v1/messages", MESSAGES, { "user-agent": "claude-cli/2.1.332" });
  expect(answer.status).toBe(402);
  expect(await answer.json()).toMatchObject({ type: "error", error: { message: expect.stringContaining('"tiny"') } });
});
