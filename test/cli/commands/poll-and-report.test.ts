import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openBook } from "../../../src/billing/book.ts";
import { meteredKey, meteredSums, NOTHING_METERED } from "../../../src/core/metered.ts";
import { NO_USAGE } from "../../../src/core/usage.ts";
import { startBillingServer } from "../../../src/demo/fake-vendor/billing/desk.ts";
import { openrouterBilling } from "../../../src/demo/fake-vendor/billing/openrouter.ts";
import { openFile } from "../../../src/stores/file/store.ts";
import { columnFaults, focusFaults } from "../../billing/focus-columns.ts";
import { ADMIN_KEYS, DAY, type Stage, setStage } from "../../billing/stage.ts";
import { entryPath } from "../../entries.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../../servers/otlp-receiver.ts";

const MAIN = entryPath("cli/main");
const folder = mkdtempSync(join(tmpdir(), "spendfuse-bill-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const today = Date.now() - (Date.now() % DAY);
const yesterday = today - DAY;
const iso = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

let stage: Stage;
let cwd: string;
let env: Record<string, string>;
beforeEach(async () => {
  stage = await setStage("openai", {
    projects: [{ id: "proj_abc", name: "Help Desk" }],
    keys: [{ id: "key_1", name: "prod", project: "proj_abc" }],
    limit: 1_000,
    projectLimits: { proj_abc: 500_000 },
  });
  stage.clock = Date.now();
  cwd = mkdtempSync(join(folder, "app-"));
  env = {
    OPENAI_ADMIN_KEY: ADMIN_KEYS.openai,
    SPENDFUSE_OPENAI_URL: stage.server.url,
    SPENDFUSE_STORE: `file:${cwd}/spend.db`,
  };
  const line = { project_id: "proj_abc", api_key_id: "key_1", line_item: "gpt-5, output", quantity_unit: "tokens" };
  stage.books.costs = [{ ...line, day: yesterday / 1_000, value: 10, quantity: 1_000_000 }];
  const store = await openFile(`${cwd}/spend.db`);
  const row = {
    ...NOTHING_METERED,
    day: yesterday,
    provider: "openai",
    model: "gpt-5",
    tier: "",
    key: "prod",
    agent: "researcher",
    rootAgent: "boss",
    team: "search",
    project: "",
    quality: "reported" as const,
    priced: "true" as const,
    calls: 3,
    cost: 6_000_000_000,
    output: 600_000,
  };
  const gemini = { provider: "gcp.gemini", model: "gemini-2.5-pro", agent: "painter", cost: 250_000_000 };
  const other = { ...row, ...gemini, tags: "customer:acme,feature:chat" };
  const totals = [row, other].map((one) => ({ day: one.day, key: meteredKey(one), sums: meteredSums(one) }));
  await store.putMetered("p", totals);
  await store.close();
});
afterEach(() => stage.close());

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function run(args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Ended> & { kill(): void } {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(DD|OTEL|SPENDFUSE)_/.test(name)));
  const child = spawn(process.execPath, ["--no-warnings", MAIN, ...args], { cwd, env: { ...clean, ...env, ...more } });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, out, err })));
  return Object.assign(ended, { kill: () => void child.kill("SIGTERM") });
}

/** The same in this process, for what ends before anything is begun: a process takes a while to start. */
async function call(command: "poll" | "report", args: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const before = { ...process.env };
  const home = process.cwd();
  let err = "";
  const say = vi.spyOn(console, "error").mockImplementation((line) => {
    err += `${line}\n`;
  });
  process.chdir(cwd);
  Object.assign(process.env, env, more);
  try {
    const loaded = await (command === "poll"
      ? import("../../../src/cli/commands/poll.ts")
      : import("../../../src/cli/commands/report.ts"));
    return { code: await loaded.command.run([...args]), err };
  } finally {
    process.chdir(home);
    process.env = before;
    say.mockRestore();
  }
}

describe("spendfuse poll", () => {
  test("reads, and says what it did; a second time there is nothing new", async () => {
    const first = await run(["poll", "--once"]);
    expect(first).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^OpenAI: 1 row in \d+ windows, 1 day changed, 0 points sent\n$/),
    });
    expect(first.err).toContain("nothing is published");
    const { code, out } = await run(["poll", "--once", "--json"]);
    expect([code, JSON.parse(out).vendors[0]]).toEqual([
      0,
      expect.objectContaining({ vendor: "openai", changed: [], points: 0, errors: [] }),
    ]);
  });

  test("sends gauges to an OTLP endpoint where there is no Datadog", async () => {
    const receiver: OtlpReceiver = await startOtlpReceiver();
    const { code } = await run(["poll", "--once"], { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
    expect(code).toBe(0);
    const text = JSON.stringify(receiver.requests);
    for (const name of ["billed.cost", "billed.month_to_date", "drift_ratio", "ungoverned_cost", "poll.lag"])
      if (name !== "billed.month_to_date" || new Date(today).getUTCDate() > 1)
        expect(text).toContain(`spendfuse.${name}`);
    await receiver.close();
  });

  test("repeats rounds until stopped", async () => {
    const polling = run(["poll", "--every", "1m"]);
    await expect.poll(() => stage.server.seen.length, { timeout: 100_000 }).toBeGreaterThan(5);
    await new Promise((resolve) => setTimeout(resolve, 500));
    polling.kill();
    expect((await polling).code).toBe(0);
  });

  test.each<[string, readonly string[], Readonly<Record<string, string>>, number, string]>([
    ["no key", ["--once"], { OPENAI_ADMIN_KEY: "" }, 2, "OPENAI_ADMIN_KEY: an admin key"],
    ["a key that is wrong", ["--once"], { OPENAI_ADMIN_KEY: "sk-nope" }, 1, "does not accept OPENAI_ADMIN_KEY (401"],
    [
      "a project's key",
      ["--once"],
      { OPENAI_ADMIN_KEY: "sk-proj-1" },
      1,
      "does not let OPENAI_ADMIN_KEY read this (403",
    ],
    ["neither once nor every", [], {}, 2, "--every 5m"],
    ["too often", ["--every", "5s"], {}, 2, "a minute or more"],
    ["a day that is none", ["--once", "--from", "2026-02-30"], {}, 2, "must be a day such as"],
    ["the future", ["--once", "--from", "2126-02-01"], {}, 2, "in the future"],
    ["backwards", ["--once", "--from", "2026-02-02", "--to", "2026-02-01"], {}, 2, "must not be before"],
    ["an end without a beginning", ["--once", "--to", "2026-02-01"], {}, 2, "--to needs --from"],
    ["a vendor that is none", ["--once", "--vendor", "opnai"], {}, 2, "openai, openrouter"],
    ["a vendor without a key", ["--once", "--vendor", "anthropic"], {}, 2, "ANTHROPIC_ADMIN_KEY"],
    ["a book that cannot be", ["--once", "--db", "spend.db/x/bill.db"], {}, 1, "cannot be opened"],
    ["an option that is none", ["--onec"], {}, 2, "--onec"],
  ])("%s: says what to do", async (_name, args, more, code, words) => {
    const ended = await call("poll", args, more);
    expect(ended.err).toContain(words);
    expect(ended.code).toBe(code);
    expect(ended.err).not.toMatch(/^\s+at /m);
  });

  test("a second poller on the same book is told so", async () => {
    const book = await openBook(join(cwd, "spendfuse-bill.db"), { alone: true });
    const { code, err } = await call("poll", ["--once"]);
    expect([code, err]).toEqual([1, expect.stringContaining("another poller is at work")]);
    book.close();
  });
});

/** Rows of CSV by the names of the head. */
function readFocus(csv: string): readonly Readonly<Record<string, string>>[] {
  const [head = [], ...rows] = csv
    .trim()
    .split("\n")
    .map((line) =>
      [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map(([, cell = ""]) =>
        cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell,
      ),
    );
  expect(columnFaults(head.filter((name) => name !== ""))).toEqual([]);
  return rows.map((row) => Object.fromEntries(head.map((name, index) => [name, row[index] ?? ""])));
}

describe("spendfuse report", () => {
  const days = ["--from", iso(yesterday), "--to", iso(yesterday)];

  test("by agent, with ungoverned spend, and spend that is on no bill", async () => {
    await run(["poll", "--once"]);
    const { code, out } = await run(["report", ...days]);
    expect(code).toBe(0);
    const line = (name: string): string => out.split("\n").find((one) => one.startsWith(name)) ?? "";
    expect(line("researcher")).toMatch(/^researcher +\$6\.00 +\$6\.00 +0\.00 %/);
    expect(line("(ungoverned)")).toMatch(/^\(ungoverned\) +\$4\.00 +\$0\.00 +\$4\.00 +unmetered \+\$4\.00/);
    expect(line("painter")).toMatch(/^painter +\$0\.00 +\$0\.250000 +\$0\.250000 +not billed -\$0\.250000/);
    expect(line("all")).toMatch(/^all +\$10\.00 +\$6\.25/);
    expect(out).toContain("OpenAI: read ");
  });

  test("as CSV and JSON, exact to the nano-dollar", async () => {
    stage.books.costs = [{ ...(stage.books.costs[0] as object), value: "9.999999999" }];
    await run(["poll", "--once"]);
    const csv = (await run(["report", ...days, "--by", "team,model", "--csv"])).out.trim().split("\n");
    expect(csv[0]).toBe(
      "team,model,billed_usd,metered_usd,drift_ratio,ungoverned_usd,not_on_the_bill_usd,reasons,tokens,bill_read_at",
    );
    const sums = csv.slice(1, -1).map((row) => Number(row.split(",")[2]));
    expect(sums.reduce((sum, value) => sum + value, 0)).toBeCloseTo(9.999999999, 9);
    expect(csv.at(-1)).toMatch(/^all,,9\.999999999,.*,\d+,\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const json = JSON.parse((await run(["report", ...days, "--by", "key", "--json"])).out);
    expect(json).toMatchObject({ from: iso(yesterday), to: iso(yesterday), by: ["key"] });
    expect(json.rows).toContainEqual(expect.objectContaining({ key: "prod", billedUsd: "9.999999999" }));
    expect(json).toMatchObject({ metered: true, total: { billedUsd: "9.999999999", meteredUsd: "6.250000000" } });
    expect(json.bills).toEqual([{ vendor: "openai", readAt: expect.stringMatching(/^\d{4}-/) }]);
    expect(Math.abs(Date.parse(json.generatedAt) - Date.now())).toBeLessThan(60_000);
  });

  test("a month that is not over ends today", async () => {
    await run(["poll", "--once"]);
    const month = ["--month", iso(today).slice(0, 7)];
    const { out } = await run(["report", ...month]);
    expect(out.split("\n")[0]).toBe(`${iso(today).slice(0, 7)}-01 to ${iso(Date.now())}, UTC`);
    expect(JSON.parse((await run(["report", ...month, "--json"])).out).to).toBe(iso(Date.now()));
  });

  test("with the columns of FOCUS: one row per day, key, model and agent, of what is billed and what is only metered", async () => {
    await run(["poll", "--once"]);
    const { out, code } = await run(["report", ...days, "--focus"], { SPENDFUSE_TAGS: "customer" });
    expect(code).toBe(0);
    const rows = readFocus(out);
    for (const row of rows) expect(focusFaults(row)).toEqual([]);
    const of = (agent: string) => rows.find((row) => row.x_Agent === agent);
    expect(of("researcher")).toMatchObject({
      ...{ BilledCost: "6.000000000", EffectiveCost: "6.000000000", x_Source: "bill", ProviderName: "OpenAI" },
      ChargePeriodStart: `${iso(yesterday)}T00:00:00Z`,
    });
    expect(of("(ungoverned)")).toMatchObject({ BilledCost: "4.000000000", ConsumedQuantity: "", Tags: "" });
    expect(of("painter")).toMatchObject({
      BilledCost: "0.000000000",
      EffectiveCost: "0.250000000",
      x_Source: "metered",
    });
    expect(JSON.parse(of("painter")?.Tags ?? "")).toMatchObject({ agent: "painter", customer: "acme" });
  });

  test("without a bill it shows what the store knows, and says so", async () => {
    const { code, out } = await run(["report", ...days]);
    expect(code).toBe(0);
    expect(out).toMatch(/^agent +metered +tokens$/m);
    expect(out).toMatch(/^researcher +\$6\.00 +[\d,]+$/m);
    expect(out).toMatch(/^all +\$6\.25 +[\d,]+$/m);
    expect(out).toContain("no vendor's bill has been read");
    const json = JSON.parse((await run(["report", ...days, "--json"])).out);
    expect(json).toMatchObject({ bills: [], total: { billedUsd: "0.000000000", meteredUsd: "6.250000000" } });
    const focus = readFocus((await run(["report", ...days, "--focus"])).out);
    expect(focus.map((row) => row.EffectiveCost)).toEqual(["6.000000000", "0.250000000"]);
    for (const row of focus) expect(focusFaults(row)).toEqual([]);
  });

  test("by a declared tag: what has none is on a line of its own", async () => {
    await run(["poll", "--once"]);
    const declared = { SPENDFUSE_TAGS: "customer,feature" };
    const { code, out } = await run(["report", ...days, "--by", "customer,agent", "--csv"], declared);
    expect(code).toBe(0);
    const rows = out
      .trim()
      .split("\n")
      .map((line) => line.split(",").slice(0, 4));
    expect(new Set(rows.slice(1, -1))).toEqual(
      new Set([
        ["(ungoverned)", "(ungoverned)", "4.000000000", "0.000000000"],
        ["", "researcher", "6.000000000", "6.000000000"],
        ["acme", "painter", "0.000000000", "0.250000000"],
      ]),
    );
    const refused = await call("report", [...days, "--by", "customer"]);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining("--by takes agent")]);
  });

  test("calls on a subscription are apart, and neither drift nor explain the bill", async () => {
    await run(["poll", "--once"]);
    const before = (await run(["report", ...days])).out.split("\n");
    const store = await openFile(`${cwd}/spend.db`);
    const plan = {
      ...{ ...NOTHING_METERED, day: yesterday, provider: "openai", model: "gpt-5", tier: "", key: "plan" },
      ...{ agent: "coder", rootAgent: "coder", team: "", project: "" },
      ...{ quality: "reported" as const, priced: "plan" as const, calls: 9, cost: 3_000_000_000, output: 300_000 },
    };
    await store.putMetered("q", [{ day: yesterday, key: meteredKey(plan), sums: meteredSums(plan) }]);
    await store.close();
    const { out } = await run(["report", ...days]);
    const line = (name: string): string => out.split("\n").find((one) => one.startsWith(name)) ?? "";
    expect(line("coder")).toMatch(/^coder +\$0\.00 +\$3\.00 +\$3\.00 +plan -\$3\.00/);
    for (const name of ["researcher", "(ungoverned)"])
      expect(line(name)).toBe(before.find((one) => one.startsWith(name)));
    expect((await run(["report", ...days, "--by", "vendor"])).out).toMatch(/^plan +\$0\.00 +\$3\.00/m);
  });

  test("caps of the vendor beside the bill", async () => {
    await run(["poll", "--once"]);
    const { code, out } = await run(["report", "--caps"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^OpenAI +organization +a month +\$10\.00/m);
    expect(out).toMatch(/^OpenAI +project help_desk +a month +\$5,000\.00/m);
    expect(out).toContain("no monthly budget is below it");
  });

  test.each<[string, readonly string[], string]>([
    ["a book that is not there", ["--db", "other.db"], "run spendfuse poll first"],
    ["caps without a bill", ["--caps"], "run spendfuse poll first"],
    ["a month that is none", ["--month", "2026-13"], "must be a month"],
    ["a grouping that is none", ["--by", "agnt"], "--by takes agent"],
    ["both forms", ["--csv", "--json"], "mutually exclusive"],
    ["FOCUS by something", ["--focus", "--by", "agent"], "leave --by out"],
    ["a month and days", ["--month", "2026-11", "--from", "2026-11-01"], "excludes"],
  ])("%s: says what to do", async (_name, args, words) => {
    const { code, err } = await call("report", args);
    expect([code, err]).toEqual([2, expect.stringContaining(words)]);
  });
});

test("calls that broke off settle, and what that changes is sent", async () => {
  const estimate = { ...NO_USAGE, input: 90, output: 40 };
  const generation = {
    ...{ id: "gen-1", total_cost: 0.0012, native_tokens_prompt: 100, native_tokens_completion: 30 },
    ...{ native_tokens_cached: 0, native_tokens_reasoning: 0, cancelled: true, is_byok: false },
  };
  const gateway = await startBillingServer(
    openrouterBilling({ now: Date.now, managementKey: "sk-or", activity: () => [], generations: () => [generation] }),
  );
  const receiver: OtlpReceiver = await startOtlpReceiver();
  const group = {
    ...{ day: today, provider: "openrouter", model: "m", tier: "", key: "k", agent: "researcher", rootAgent: "boss" },
    ...{ team: "", project: "", quality: "estimated" as const, priced: "true" as const },
  };
  const endedAt = Math.max(today, Date.now() - 30_000);
  const call = {
    id: "p/1",
    responseId: "gen-1",
    group,
    usage: estimate,
    costNano: 900_000,
    startedAt: endedAt,
    endedAt,
  };
  const sums = { ...NOTHING_METERED, calls: 1, cost: 900_000, inputUncached: 90, output: 40 };
  const store = await openFile(`${cwd}/spend.db`);
  await store.putMetered("p", [{ day: today, key: meteredKey(group), sums: meteredSums(sums) }], {
    calls: [{ ...call, terms: {} }],
    minutes: [],
  });
  const keys = {
    OPENROUTER_API_KEY: "sk-or",
    SPENDFUSE_OPENROUTER_URL: gateway.url,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
  };
  const first = await run(["poll", "--once"], keys);
  expect(first).toMatchObject({ code: 0, out: expect.stringContaining("OpenRouter: 1 of 1 late calls settled") });
  const settled = (await store.metered(today, today + 1)).filter(({ provider }) => provider === "openrouter");
  expect(settled).toMatchObject([{ quality: "settled", calls: 1, cost: 1_200_000, inputUncached: 100, output: 30 }]);
  const points = () => receiver.points().filter(({ tags }) => tags.process === "poll");
  expect(points().map(({ metric, kind, value, tags }) => [metric, kind, value, tags.token_type])).toEqual([
    ["spendfuse.settled_calls", "sum", 1, undefined],
    ["spendfuse.cost", "sum", 0.0003, undefined],
    ["spendfuse.tokens", "sum", 10, "input_uncached"],
    ["spendfuse.overestimated_tokens", "sum", 10, "output"],
  ]);
  const again = await run(["poll", "--once", "--json"], keys);
  expect(JSON.parse(again.out).settled).toContainEqual({ vendor: "openrouter", settled: 0, open: 0, errors: [] });
  expect(points()).toHaveLength(4);
  await store.close();
  await Promise.all([gateway.close(), receiver.close()]);
});
