import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import { finalise } from "../../../src/guard/finalise.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";

const MODEL = "claude-sonnet-4-5";
const URI = "https://api.anthropic.com/v1/messages";
const MAX_TOKENS = 16_384;
const CAP_USD = 2;
/** USD per token. */
const PRICE = { input: 3e-6, cacheWrite: 3.75e-6, cacheRead: 0.3e-6, output: 15e-6 };

let runtime: Runtime;
let calls: SettledCall[];
beforeEach(() => {
  runtime = createRuntime(() => {});
  calls = [];
  runtime.listeners.add((call) => calls.push(call));
});
afterEach(() => runtime.stop());

/** A vendor that counts a token for `bytesPerToken`, and keeps what it has read in its cache where the caller asks. */
function vendor(bytesPerToken: number): typeof fetch {
  let cached = 0;
  return async (_input, init) => {
    const body = JSON.parse(String(init?.body)) as { messages: readonly unknown[]; system?: unknown };
    const text = JSON.stringify(body.messages);
    const tokens = Math.round(text.length / bytesPerToken) + 600;
    const caches = text.includes("cache_control");
    const usage = {
      input_tokens: caches ? 0 : tokens,
      cache_read_input_tokens: caches ? cached : 0,
      cache_creation_input_tokens: caches ? tokens - cached : 0,
      output_tokens: 300,
    };
    cached = caches ? tokens : 0;
    const content = [{ type: "text", text: ANSWER }];
    const message = {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: MODEL,
      content,
      usage,
      stop_reason: "end_turn",
    };
    return new Response(JSON.stringify(message), { headers: { "content-type": "application/json" } });
  };
}

const ANSWER = "The test of the parser fails at the second comma. ".repeat(24);
const FILE = "export function parse(text: string): Tree { return walk(tokens(text), 0); }\n"
  .repeat(160)
  .slice(0, 12_000);

/** A coding agent: its context grows by a file a turn. Returns what was spent when it was stopped for good. */
async function runAgent(inner: typeof fetch, caches: boolean, first = FILE): Promise<number> {
  await runtime.start({
    telemetry: false,
    env: { SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1" },
    config: { budgets: [{ scope: { agent: "*" }, per: "run", usd: CAP_USD, finalisation: 0.2 }] },
  });
  const fetch = runtime.wrapFetch(inner);
  const messages: object[] = [];
  const turn = async (): Promise<number> => {
    const text = messages.length === 0 ? first : FILE;
    const mark = caches ? { cache_control: { type: "ephemeral" } } : {};
    const content = [{ type: "text", text }];
    const sent = [...messages, { role: "user", content: [{ type: "text", text, ...mark }] }];
    const body = JSON.stringify({ model: MODEL, max_tokens: MAX_TOKENS, messages: sent });
    const response = await runtime.scoping.scope({ agent: "coder", run: "1" }, () =>
      fetch(URI, { method: "POST", headers: { "anthropic-version": "2023-06-01" }, body }),
    );
    await response.text();
    messages.push({ role: "user", content }, { role: "assistant", content: [{ type: "text", text: ANSWER }] });
    return response.status;
  };
  for (let turns = 0; turns < 500 && (await turn()) === 200; turns++);
  for (let turns = 0; turns < 500 && (await finalise(turn)) === 200; turns++);
  await runtime.flush();
  return calls.reduce((sum, { costUsd = 0 }) => sum + costUsd, 0);
}

describe("a coding agent with 12 KB more a turn", () => {
  test.each([
    ["that caches", true, 3.9],
    ["that caches, in dense text", true, 3],
    ["that does not", false, 3.9],
    ["that does not, in dense text", false, 3],
  ])("%s", async (_name, caches, bytesPerToken) => {
    const spent = await runAgent(vendor(bytesPerToken), caches);
    const last = calls.findLast(({ usage }) => usage !== undefined)?.usage as { input: number };
    const next = (last.input + 12_000 / bytesPerToken) * (caches ? PRICE.cacheRead : PRICE.input);
    const mostOfOneCall = next + 12_000 * PRICE.cacheWrite + MAX_TOKENS * PRICE.output;
    expect(spent).toBeLessThanOrEqual(CAP_USD);
    expect(spent).toBeGreaterThan(CAP_USD - mostOfOneCall);
  });

  test("a first call of 480 KB passes", async () => {
    const spent = await runAgent(vendor(3.9), true, FILE.repeat(40));
    expect(spent).toBeGreaterThan(CAP_USD / 2);
  });
});
