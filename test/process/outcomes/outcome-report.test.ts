import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";

const MAIN = join(import.meta.dirname, "../../../src/cli/main.ts");
const COMPLETION = {
  id: "c1",
  object: "chat.completion",
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1_000_000, completion_tokens: 1_000_000, total_tokens: 2_000_000 },
};

let dir: string;
let runtime: Runtime;
let store: string;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "spendfuse-outcome-"));
  store = `file:${join(dir, "spend.db")}`;
  runtime = createRuntime(() => {});
  const env = { SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1", SPENDFUSE_EXIT_SENDER: "0", SPENDFUSE_STATE_DIR: dir };
  const prices = [{ model: "m", inputPerMTok: 1, outputPerMTok: 1 }];
  await runtime.start({ telemetry: false, env, config: { store, tags: ["customer"], prices } });
});

afterEach(async () => {
  await runtime.stop();
  rmSync(dir, { recursive: true });
});

/** One call of two dollars. */
async function ask(): Promise<void> {
  const fetched = runtime.wrapFetch((async () => Response.json(COMPLETION)) as unknown as typeof fetch);
  const body = JSON.stringify({ model: "m", messages: [], max_tokens: 10 });
  await (await fetched("https://api.openai.com/v1/chat/completions", { method: "POST", body })).json();
}

async function report(...args: readonly string[]): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: dir, SPENDFUSE_STORE: store, SPENDFUSE_TAGS: "customer" };
  const { stdout } = await promisify(execFile)(process.execPath, ["--no-warnings", MAIN, "report", ...args], {
    cwd: dir,
    env,
  });
  return stdout;
}

test("a report says what each success has cost, by outcome and by customer, with what failed and was retried", async () => {
  const { scope } = runtime.scoping;
  const desk = { agent: "desk", tags: { customer: "acme" } };
  const boom = new Error("boom");
  const failing = scope({ ...desk, run: "ticket-1" }, async () => {
    await ask();
    throw boom;
  });
  await expect(failing).rejects.toBe(boom);
  await scope({ ...desk, run: "ticket-1" }, async () => {
    await ask();
    await scope({ agent: "helper" }, ask);
    runtime.charge({ usd: 0.5, what: "search" });
    expect(runtime.outcome("resolved")).toBe(true);
  });
  const lost = scope({ agent: "desk", tags: { customer: "beta" }, run: "ticket-2" }, async () => {
    await ask();
    throw boom;
  });
  await expect(lost).rejects.toBe(boom);
  await scope(desk, ask);
  await runtime.flush();
  expect(runtime.outcomes()).toEqual([
    { outcome: "failed", works: 1, calls: 1, costUsd: 2, costPerWorkUsd: 2 },
    { outcome: "resolved", works: 1, calls: 2, costUsd: 4.5, costPerWorkUsd: 4.5 },
    { outcome: "retried", works: 1, calls: 1, costUsd: 2, costPerWorkUsd: 2 },
  ]);
  expect(runtime.ledger.sums("outcome:resolved", "day", Date.now())?.cost).toBe(4_500_000_000);
  expect(runtime.ledger.sums("all", "day", Date.now())?.cost).toBe(10_500_000_000);

  const table = await report("--by", "outcome");
  expect(table).toMatch(/^outcome +metered +tokens +works +failed +retried +a success$/m);
  expect(table).toMatch(/^resolved +\$4\.50 +[\d,]+ +1 +\$4\.50$/m);
  expect(table).toMatch(/^failed +\$2\.00 +[\d,]+ +1 +1$/m);
  expect(table).toMatch(/^retried +\$2\.00 +[\d,]+ +1 +1$/m);
  expect(table).toMatch(/^- +\$2\.00 +[\d,]+$/m);
  expect(table).toMatch(/^all +\$10\.50 +[\d,]+ +3 +1 +1 +\$10\.50$/m);

  const customers = await report("--by", "customer");
  expect(customers).toMatch(/^acme +\$8\.50 +[\d,]+ +2 +1 +\$8\.50$/m);
  expect(customers).toMatch(/^beta +\$2\.00 +[\d,]+ +1 +1$/m);
  const { rows, total } = JSON.parse(await report("--by", "customer", "--json"));
  const acme = { works: 2, successes: 1, failed: 0, retried: 1, usdPerSuccess: "8.500000000" };
  expect(rows).toEqual([
    expect.objectContaining({ customer: "acme", ...acme }),
    expect.objectContaining({ customer: "beta", works: 1, successes: 0, failed: 1, retried: 0, usdPerSuccess: null }),
  ]);
  expect(total).toMatchObject({ works: 3, successes: 1, failed: 1, retried: 1, usdPerSuccess: "10.500000000" });
  const [columns, first] = (await report("--by", "customer", "--csv")).split("\n");
  expect(columns).toMatch(/,works,successes,usd_per_success,failed_works,retried_works$/);
  expect(first).toMatch(/^acme,.*,2,1,8\.500000000,0,1$/);

  const csv = (await report("--by", "model,outcome", "--csv")).trim().split("\n");
  expect(csv[0]).not.toContain("works");
  const focus = (await report("--focus")).trim().split("\n");
  const outcome = focus[0]?.split(",").indexOf("x_Outcome");
  expect(outcome).toBeGreaterThan(0);
  expect(new Set(focus.slice(1).map((line) => line.split(",").at(-1)))).toEqual(
    new Set(["resolved", "failed", "retried", ""]),
  );
}, 60_000);
