import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { answer, chat, type Guarded, guard, MODEL, PRICE } from "./guarded.ts";

const CHEAP = "cheap-model";
const PRICES = [PRICE, { model: CHEAP, inputPerMTok: 0.1, outputPerMTok: 0.1 }];

let server: ModelServer;
let guards: Guarded[] = [];

beforeAll(async () => {
  server = await startModelServer();
});
afterEach(async () => {
  await Promise.all(guards.map((one) => one.stop()));
  guards = [];
});
afterAll(() => server.close());

async function open(config: ConfigFile): Promise<Guarded> {
  const one = await guard(server, { prices: PRICES, ...config });
  guards.push(one);
  return one;
}

const downgrade = { at: 0.5, models: { [MODEL]: CHEAP } };
const shorten = { at: 0.75, maxOutput: 20 };
const budget = { scope: { agent: "*" }, per: "hour", calls: 4 } as const;

/** What the server got of each of so many calls. */
async function sent(one: Guarded, times: number): Promise<unknown[]> {
  server.play(answer(5, 5));
  for (let call = 0; call < times; call++) await chat(one, server.url, { maxTokens: 100 });
  return server.visits.map(({ body }) => {
    const { model, max_tokens } = JSON.parse(body);
    return [model, max_tokens];
  });
}

describe("a ladder", () => {
  test("changes calls from its shares of the cap on, and the cap refuses after it", async () => {
    const one = await open({ budgets: [{ ...budget, ladder: { downgrade, shorten } }] });
    expect(await sent(one, 6)).toEqual([
      [MODEL, 100],
      [MODEL, 100],
      [CHEAP, 100],
      [CHEAP, 20],
    ]);
    const name = "agent:* per hour";
    expect(one.settled.map(({ changes }) => changes)).toEqual([
      undefined,
      undefined,
      { budget: name, model: MODEL },
      { budget: name, model: MODEL, maxOutput: 20 },
      // Refused: nothing was sent.
      undefined,
      undefined,
    ]);
    expect(one.settled.map(({ ending }) => ending).slice(4)).toEqual(["blocked", "blocked"]);
    expect(one.said.filter((line) => line.includes(CHEAP))).toHaveLength(1);
  });

  test("is of the agent that spent, not of others", async () => {
    const one = await open({ budgets: [{ ...budget, ladder: { downgrade } }] });
    await sent(one, 2);
    server.play(answer(5, 5));
    await chat(one, server.url, { agent: "other" });
    await chat(one, server.url, {});
    expect(server.visits.map(({ body }) => JSON.parse(body).model)).toEqual([MODEL, CHEAP]);
  });

  test("reserves what the changed call may cost", async () => {
    // A call of the dear model may cost over 1,000 micro-dollars, one of the cheap model a tenth.
    const usd = { scope: { agent: "*" }, per: "hour", usd: 0.0005 } as const;
    const one = await open({ budgets: [{ ...usd, ladder: { downgrade: { ...downgrade, at: 0 } } }] });
    server.play(answer(5, 5));
    expect((await chat(one, server.url, { maxTokens: 1_000 })).status).toBe(200);
    const other = await open({ budgets: [usd] });
    expect((await chat(other, server.url, { maxTokens: 1_000 })).status).toBe(402);
  });

  test("only says in shadow mode what it would do", async () => {
    const one = await open({ mode: "shadow", budgets: [{ ...budget, ladder: { downgrade, shorten } }] });
    expect(await sent(one, 5)).toEqual(Array(5).fill([MODEL, 100]));
    expect(one.said.join("\n")).toContain(`would be sent to ${CHEAP}`);
    expect(one.settled.every(({ changes }) => changes === undefined)).toBe(true);
  });

  test("says in the answer what it changed", async () => {
    const ladder = { downgrade: { ...downgrade, at: 0 }, shorten: { ...shorten, at: 0 } };
    const one = await open({ budgets: [{ ...budget, ladder }] });
    server.play(answer(5, 5));
    const { headers } = await chat(one, server.url, {});
    expect(headers.get("x-spendfuse-downgraded-from")).toBe(MODEL);
    expect(headers.get("x-spendfuse-max-output")).toBe("20");
    server.play(answer(5, 5));
    const lower = await chat(one, server.url, { model: "another", maxTokens: 7 });
    expect(JSON.parse(server.visits[0]?.body ?? "")).toMatchObject({ model: "another", max_tokens: 7 });
    expect([...lower.headers.keys()].filter((name) => name.startsWith("x-spendfuse"))).toEqual([]);
  });

  test.each([
    ["a length", { "content-length": "100" }],
    ["a signature", { authorization: "AWS4-HMAC-SHA256 Credential=x" }],
    ["a coding", { "content-encoding": "identity" }],
  ])("leaves a request alone whose headers say %s of the body", async (_, headers) => {
    const one = await open({ budgets: [{ ...budget, ladder: { downgrade: { ...downgrade, at: 0 } } }] });
    const body = JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "Hi".padEnd(42) }] });
    server.play(answer(5, 5));
    await one.fetch(`${server.url}/v1/chat/completions`, {
      method: "POST",
      headers: { ...headers, ...("content-length" in headers && { "content-length": String(body.length) }) },
      body,
    });
    expect(server.visits[0]?.body).toBe(body);
  });
});
