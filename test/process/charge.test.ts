import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { isSpendfuseError, type SpendfuseError } from "../../src/core/errors.ts";
import { isBlocked } from "../../src/guard/blocked.ts";
import type { ChargeInput } from "../../src/pricing/charge.ts";
import { createRuntime, type Runtime } from "../../src/process/runtime.ts";
import { openFile } from "../../src/stores/file/store.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../servers/otlp-receiver.ts";

const SEARCH = { usd: 0.008, what: "Web search" };
const COMPLETION = {
  id: "c1",
  object: "chat.completion",
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1_000, completion_tokens: 1_000, total_tokens: 2_000 },
};

let dir: string;
let runtime: Runtime;
const said: string[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "spendfuse-charge-"));
  said.length = 0;
  runtime = createRuntime((line) => said.push(line));
});

afterEach(async () => {
  await runtime.stop();
  trace.disable();
  context.disable();
  rmSync(dir, { recursive: true });
});

function start(config: ConfigFile = {}, env: Readonly<Record<string, string>> = {}, telemetry = false): Promise<void> {
  const own = { SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1", SPENDFUSE_EXIT_SENDER: "0", SPENDFUSE_STATE_DIR: dir };
  return runtime.start({ telemetry, env: { ...own, ...env }, config });
}

const within = <T>(fields: object, fn: () => T): T => runtime.scoping.scope(fields, fn);
const sums = (account: string) => runtime.ledger.sums(account, "ever", Date.now());

/** One model call of two thousand micro-dollars. */
async function ask(): Promise<Response> {
  const fetched = runtime.wrapFetch((async () => Response.json(COMPLETION)) as unknown as typeof fetch);
  const body = JSON.stringify({ model: "m", messages: [], max_tokens: 1_000 });
  return fetched("https://api.openai.com/v1/chat/completions", { method: "POST", body });
}

const PRICES = [{ model: "m", inputPerMTok: 1, outputPerMTok: 1 }];

describe("charge()", () => {
  test("counts once in every account of its scope, beside the calls there", async () => {
    await start({ prices: PRICES, tags: ["customer"] });
    await within({ agent: "boss", team: "t" }, async () => {
      await (await ask()).json();
      within({ agent: "searcher", run: "7", tags: { customer: "acme" } }, () => runtime.charge(SEARCH));
    });
    await runtime.flush();
    for (const account of ["agent:searcher", "run:7", "customer:acme"])
      expect([account, sums(account)]).toEqual([
        account,
        expect.objectContaining({ calls: 0, cost: 8e6, charges: 8e6 }),
      ]);
    for (const account of ["agent:boss", "team:t", "all"])
      expect([account, sums(account)]).toEqual([
        account,
        expect.objectContaining({ calls: 1, cost: 1e7, charges: 8e6 }),
      ]);
    expect(runtime.faults.counts().size).toBe(0);
  });

  test("counts where nothing was started, as an unknown agent's", () => {
    runtime.charge({ usd: 1, what: "sandbox", units: 3 });
    expect(sums("agent:unknown")).toMatchObject({ cost: 1e9, charges: 1e9 });
  });

  test("is asked nothing, but uses up budgets of money and none of calls: the next call is refused", async () => {
    const scope = { tags: { customer: "*" } };
    const budgets = [
      { name: "money", scope, per: "day", usd: 0.01 },
      { name: "calls", scope, per: "day", calls: 1 },
    ];
    await start({ prices: PRICES, budgets, tags: ["customer"] });
    const acme = { agent: "a", tags: { customer: "acme" } };
    for (let index = 0; index < 3; index++) within(acme, () => runtime.charge(SEARCH));
    const used = runtime.budgets().map(({ budget, scope: of, spent }) => [budget, of, spent]);
    expect(used).toEqual([
      ["money", "customer:acme", 24_000_000],
      ["calls", "customer:acme", 0],
    ]);
    const refused = await within(acme, ask);
    expect(refused.status).toBe(402);
    expect(isBlocked(await refused.json())).toMatchObject({
      reason: "budget",
      scope: "customer:acme",
      budget: "money",
    });
    expect((await within({ agent: "a", tags: { customer: "zeta" } }, ask)).status).toBe(200);
  });

  test("is exported, in USD, beside the cost of calls", async () => {
    const receiver: OtlpReceiver = await startOtlpReceiver();
    await start({ tags: ["customer"] }, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url }, true);
    within({ agent: "a", tags: { customer: "acme" } }, () => {
      runtime.charge(SEARCH);
      runtime.charge(SEARCH);
    });
    await runtime.flush();
    const points = receiver.points("spendfuse.charges");
    expect(points.map(({ value }) => value)).toEqual([0.016]);
    expect(points[0]?.tags).toMatchObject({ agent: "a", root_agent: "a", customer: "acme", what: "web_search" });
    expect(receiver.points("spendfuse.cost")).toEqual([]);
    await receiver.close();
  });

  test("is in the store by whom it was spent, for reports", async () => {
    await start({ store: `file:${dir}/spend.db`, tags: ["customer"] });
    within({ agent: "a", team: "t", tags: { customer: "acme" } }, () => runtime.charge(SEARCH));
    await runtime.flush();
    const store = await openFile(`${dir}/spend.db`);
    const now = Date.now();
    expect(await store.metered(now - 86_400_000, now + 86_400_000)).toMatchObject([
      { provider: "charge", model: "web_search", agent: "a", team: "t", tags: "customer:acme", calls: 0, cost: 8e6 },
    ]);
    await store.close();
  });

  test("is a span below the agent's, which has the sum of them", async () => {
    const exporter = new InMemorySpanExporter();
    trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    await start({ tags: ["customer"] });
    within({ agent: "a", tags: { customer: "acme" } }, () => {
      runtime.charge({ ...SEARCH, units: 2 });
      runtime.charge(SEARCH);
    });
    await new Promise((resolve) => setImmediate(resolve));
    const spans = exporter.getFinishedSpans();
    const agent = spans.find(({ name }) => name === "invoke_agent a");
    expect(agent?.attributes).toMatchObject({ "spendfuse.charges": 0.016, "gen_ai.usage.cost.amount": 0 });
    const charges = spans.filter(({ name }) => name === "spendfuse.charge");
    expect(charges).toHaveLength(2);
    expect(charges[0]?.parentSpanContext?.spanId).toBe(agent?.spanContext().spanId);
    expect(charges[0]?.attributes).toMatchObject({
      ...{ "gen_ai.agent.name": "a", "spendfuse.tag.customer": "acme" },
      ...{ "spendfuse.charge.what": "web_search", "spendfuse.charge.usd": 0.008, "spendfuse.charge.units": 2 },
    });
  });

  test.each<[string, unknown, string]>([
    ["nothing", undefined, ""],
    ["text", "0.008", ""],
    ["no amount", { what: "x" }, "usd"],
    ["a text for an amount", { ...SEARCH, usd: "0.008" }, "usd"],
    ["a negative amount", { ...SEARCH, usd: -1 }, "usd"],
    ["no number", { ...SEARCH, usd: Number.NaN }, "usd"],
    ["an infinite amount", { ...SEARCH, usd: Number.POSITIVE_INFINITY }, "usd"],
    ["an absurd amount", { ...SEARCH, usd: 100_001 }, "usd"],
    ["no name", { usd: 1 }, "what"],
    ["a name of which nothing is left", { usd: 1, what: " _ " }, "what"],
    ["negative units", { ...SEARCH, units: -1 }, "units"],
    ["units that are none", { ...SEARCH, units: "2" }, "units"],
  ])("of %s is an error that names the key, and counts nothing", (_, input, key) => {
    let thrown: unknown;
    try {
      runtime.charge(input as ChargeInput);
    } catch (error) {
      thrown = error;
    }
    expect(isSpendfuseError(thrown)).toBe(true);
    const { code, facts, message } = thrown as SpendfuseError;
    expect([code, facts.key]).toEqual(["SPENDFUSE_CHARGE", key]);
    expect(message).toMatch(/^charge\(\): /);
    expect([...runtime.ledger.accounts()]).toEqual([]);
  });

  test("of nothing, and of the most there can be, counts", () => {
    for (const usd of [0, 100_000]) runtime.charge({ usd, what: "x" });
    expect(sums("all")?.charges).toBe(1e14);
  });
});

test("texts without end make no rows without end", async () => {
  await start({ store: `file:${dir}/spend.db` });
  for (let index = 0; index < 150; index++) runtime.charge({ usd: 1, what: `job ${index}` });
  await runtime.flush();
  const store = await openFile(`${dir}/spend.db`);
  const rows = await store.metered(Date.now() - 86_400_000, Date.now() + 86_400_000);
  await store.close();
  expect(rows).toHaveLength(101);
  expect(rows.find(({ model }) => model === "other")?.cost).toBe(50e9);
  expect(rows.reduce((sum, { cost }) => sum + cost, 0)).toBe(150e9);
});
