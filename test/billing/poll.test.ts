import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { openBook } from "../../src/billing/book.ts";
import type { Report } from "../../src/billing/vendors/vendor.ts";
import { planWindows } from "../../src/billing/windows.ts";
import type { OpenAiCost } from "../../src/demo/fake-vendor/billing/openai.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../servers/otlp-receiver.ts";
import { ADMIN_KEYS, DAY, NOW, type Stage, setStage, TODAY } from "./stage.ts";

const folder = mkdtempSync(join(tmpdir(), "spendfuse-poll-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cost = (daysAgo: number, fields: Partial<OpenAiCost> = {}): OpenAiCost => ({
  day: (TODAY - daysAgo * DAY) / 1_000,
  project_id: "proj_abc",
  api_key_id: "key_1",
  line_item: "gpt-5, output",
  value: 1,
  quantity: 100,
  quantity_unit: "tokens",
  ...fields,
});

let stage: Stage;
beforeEach(async () => {
  stage = await setStage("openai");
});
afterEach(() => stage.close());

const money = async (): Promise<Record<string, number>> => {
  const rows = (await stage.rows()).filter(({ nano }) => nano !== undefined);
  return Object.fromEntries(rows.map(({ start, nano }) => [(TODAY - start) / DAY, Number(nano) / 1e9]));
};

describe("the windows of a report", () => {
  const report: Report = { name: "r", days: 31, earliest: () => 0 };
  const plan = (fields: Partial<Parameters<typeof planWindows>[0]>) =>
    planWindows({ report, from: TODAY - 10 * DAY, until: NOW, now: NOW, isDue: () => true, ...fields }).map(
      ({ from, until }) => [(from - TODAY) / DAY, (until - TODAY) / DAY],
    );

  test.each<[string, Parameters<typeof plan>[0], number[][]]>([
    ["end now, and never later", { until: NOW + 99 * DAY }, [[-10, 0.375]]],
    ["begin with a day", { from: TODAY - 10 * DAY + 5 }, [[-10, 0.375]]],
    [
      "are as long as they may be",
      { from: TODAY - 40 * DAY },
      [
        [-40, -9],
        [-9, 0.375],
      ],
    ],
    [
      "do not lie across a seam",
      { report: { ...report, seams: [TODAY - 5 * DAY] } },
      [
        [-10, -5],
        [-5, 0.375],
      ],
    ],
    [
      "begin no earlier than the vendor knows",
      { report: { ...report, earliest: () => TODAY - 3 * DAY + 1 } },
      [[-2, 0.375]],
    ],
    ["end with yesterday where today is not told", { report: { ...report, completeOnly: true } }, [[-10, 0]]],
    [
      "leave out what need not be read",
      { isDue: (day: number) => day !== TODAY - 4 * DAY },
      [
        [-10, -4],
        [-3, 0.375],
      ],
    ],
    ["are none when nothing is due", { isDue: () => false }, []],
    ["are none when it is over before it begins", { from: TODAY, until: TODAY }, []],
  ])("%s", (_name, fields, windows) => {
    expect(plan(fields)).toEqual(windows);
  });
});

describe("reading again", () => {
  test("a restated day, up, down, and a row that is gone: those days change, and no other", async () => {
    stage.books.costs = [cost(1), cost(2), cost(3), cost(3, { line_item: "o3, output", value: 7 })];
    expect([...(await stage.poll()).changed]).toEqual([3, 2, 1].map((days) => TODAY - days * DAY));
    expect([...(await stage.poll()).changed]).toEqual([]);
    stage.books.costs = [cost(1, { value: 2 }), cost(2, { value: 0.5 }), cost(3)];
    expect([...(await stage.poll()).changed]).toEqual([3, 2, 1].map((days) => TODAY - days * DAY));
    expect(await money()).toEqual({ 1: 2, 2: 0.5, 3: 1 });
    stage.books.costs = [cost(1, { value: 2 }), cost(3)];
    expect([...(await stage.poll()).changed]).toEqual([TODAY - 2 * DAY]);
    expect(await money()).toEqual({ 1: 2, 3: 1 });
  });

  test("today is partial, and is read until it was read a while after its end", async () => {
    stage.books.costs = [cost(0, { value: 0.1 })];
    await stage.poll();
    stage.clock += 3 * 3_600_000;
    stage.books.costs = [cost(0, { value: 0.4 })];
    await stage.poll();
    expect(await money()).toEqual({ 0: 0.4 });
    stage.clock += 2 * DAY;
    stage.books.costs = [cost(0, { value: 0.9 })];
    await stage.poll();
    expect(await money()).toEqual({ 0: 0.9 });
  });

  test("days that are settled are asked for about once a day, for five weeks", async () => {
    await stage.poll();
    const asked = (): number =>
      Math.min(...stage.server.seen.map((url) => Number(new URL(url, "http://x").searchParams.get("start_time"))));
    expect((TODAY / 1_000 - asked()) / 86_400).toBe(35);
    (stage.server.seen as string[]).length = 0;
    stage.clock += 3_600_000;
    await stage.poll();
    expect((TODAY / 1_000 - asked()) / 86_400).toBe(3);
    (stage.server.seen as string[]).length = 0;
    stage.clock += 21 * 3_600_000;
    await stage.poll();
    expect((TODAY / 1_000 - asked()) / 86_400).toBe(34);
  });

  test("a poller that was away for months reads the gap", async () => {
    stage.clock = TODAY - 100 * DAY;
    await stage.poll();
    stage.books.costs = [cost(80), cost(60)];
    stage.clock = NOW;
    await stage.poll();
    expect(await money()).toEqual({ 80: 1, 60: 1 });
  });

  test("what is asked for with dates is read again, however old", async () => {
    stage.books.costs = [cost(200)];
    const range = { from: TODAY - 210 * DAY, until: TODAY - 190 * DAY };
    await stage.poll(range);
    stage.books.costs = [cost(200, { value: 3 })];
    stage.clock += 1;
    expect([...(await stage.poll(range)).changed]).toEqual([TODAY - 200 * DAY]);
  });
});

describe("trouble", () => {
  const limited = (headers: Record<string, string> = {}) => ({
    status: 429,
    body: { error: { message: "Rate limit", type: "x", code: "rate_limit" } },
    headers,
  });

  test("a limit is obeyed for as long as it says, and a little longer", async () => {
    stage.server.troubles.push(limited({ "retry-after": "7" }), limited({ "retry-after-ms": "1500" }));
    await stage.poll();
    expect(stage.slept).toEqual([7_250, 2_000]);
  });

  test("a limit without a time is a cap, and is not asked hot", async () => {
    stage.server.troubles.push(limited(), limited());
    await expect(stage.poll()).rejects.toMatchObject({
      code: "SPENDFUSE_VENDOR",
      message: expect.stringContaining("--every"),
    });
    expect(stage.slept).toEqual([31_000]);
  });

  test("faults of the vendor are tried again with growing pauses, and then said", async () => {
    const fault = { status: 503, body: { error: { message: "overloaded" } } };
    stage.server.troubles.push(fault, fault);
    await stage.poll();
    expect(stage.slept).toEqual([750, 1_500]);
    stage.server.troubles.push(...Array.from({ length: 6 }, () => fault));
    await expect(stage.poll()).rejects.toMatchObject({ facts: { status: 503 } });
  });

  test("a vendor that cannot be reached", async () => {
    const { url } = stage.server;
    await stage.close();
    await expect(stage.poll()).rejects.toMatchObject({
      code: "SPENDFUSE_VENDOR",
      message: expect.stringMatching(/OpenAI cannot be reached: .*ECONNREFUSED/),
    });
    expect(url).toBeTruthy();
    stage = await setStage("openai");
  });

  test("our clock is an hour fast: the vendor's is used", async () => {
    stage.ourClock = NOW + 3_600_000;
    await expect(stage.poll()).rejects.toMatchObject({ message: expect.stringContaining("future") });
    const { createVendorClock } = await import("../../src/billing/clock.ts");
    const clock = createVendorClock(() => NOW + 3_600_000);
    clock.observe(NOW);
    expect(clock.now()).toBe(NOW);
    expect(clock.skewMs).toBe(3_600_000);
  });

  test("a cursor that the vendor no longer takes: the window is read again from its beginning", async () => {
    stage.books.costs = Array.from({ length: 150 }, (_, index) => cost(index + 1));
    const page = { status: 400, body: { error: { message: "The page cursor does not match the query." } } };
    const fetching = stage.poll({ from: TODAY - 160 * DAY });
    // Behind the first page of costs.
    while (stage.server.seen.length < 1) await new Promise((resolve) => setTimeout(resolve, 1));
    stage.server.troubles.push(page);
    await fetching;
    expect(Object.keys(await money())).toHaveLength(150);
  });

  test("one poller at a time", async () => {
    const book = await openBook(stage.path, { alone: true });
    await expect(stage.poll()).rejects.toMatchObject({
      code: "SPENDFUSE_STORE",
      message: expect.stringContaining("another poller"),
    });
    book.close();
    await stage.poll();
  });

  test("a disk that is full: said with what to do, and no row is lost", async () => {
    stage.books.costs = [cost(1)];
    await stage.poll();
    const db = new DatabaseSync(stage.path);
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    db.close();
    stage.books.costs = [
      cost(1),
      ...Array.from({ length: 2_000 }, (_, index) => cost(2, { project_id: `${"p".repeat(200)}${index}` })),
    ];
    const pages = statSync(stage.path).size / 4_096;
    stage.maxPages = pages + 2;
    await expect(stage.poll()).rejects.toMatchObject({
      code: "SPENDFUSE_STORE",
      message: expect.stringMatching(/full.*free some space/),
    });
    stage.maxPages = undefined;
    expect(await money()).toEqual({ 1: 1 });
    await stage.poll();
    expect((await stage.rows()).length).toBe(2_001);
  });

  test("a database that is half written, or something else", async () => {
    stage.books.costs = Array.from({ length: 500 }, (_, index) => cost(1, { project_id: `proj_${index}` }));
    await stage.poll();
    const db = new DatabaseSync(stage.path);
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    db.close();
    truncateSync(stage.path, Math.floor(statSync(stage.path).size / 2));
    const words = { code: "SPENDFUSE_STORE", message: expect.stringMatching(/move it away.*poll --from/) };
    await expect(openBook(stage.path, { alone: true })).rejects.toMatchObject(words);
    const other = join(folder, "notes.db");
    writeFileSync(other, "this is no database, but long enough to be looked at ".repeat(100));
    await expect(openBook(other, { alone: true })).rejects.toMatchObject(words);
    await expect(openBook(join(other, "below", "bill.db"), { alone: true })).rejects.toMatchObject({
      code: "SPENDFUSE_STORE",
    });
  });
});

describe("a backfill that is killed", () => {
  test("at any moment is resumed, and ends with the same rows and points", async () => {
    const days = 170;
    stage.books.costs = Array.from({ length: days * 5 }, (_, index) =>
      cost(1 + (index % days), { api_key_id: `key_${Math.floor(index / days)}`, value: index / 1_000 }),
    );
    const range = { from: TODAY - days * DAY, until: TODAY };
    const whole = await setStage("openai");
    whole.books.costs = stage.books.costs;
    const receivers = [await startOtlpReceiver(), await startOtlpReceiver()] as const;
    const program = fileURLToPath(new URL("./poll-process.ts", import.meta.url));
    const begin = (of: Stage, receiver: OtlpReceiver) =>
      fork(program, [of.server.url, of.path, `${range.from}`, `${range.until}`, `${NOW}`, receiver.url], {
        execArgv: ["--no-warnings"],
        stdio: "ignore",
      });
    const exitOf = (child: ChildProcess) => new Promise<number | null>((resolve) => child.once("exit", resolve));
    expect(await exitOf(begin(whole, receivers[0]))).toBe(0);

    const kills = 5 * Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
    let killed = 0;
    for (let round = 0; ; round++) {
      const child = begin(stage, receivers[1]);
      const ended = exitOf(child);
      // So many requests later, to the vendor or the receiver, which is a random moment of the reading and the telling.
      const happened = (): number => stage.server.seen.length + receivers[1].requests.length;
      const after = happened() + 1 + Math.floor(Math.random() * 6);
      while (round < kills && happened() < after && child.exitCode === null)
        await new Promise((resolve) => setTimeout(resolve, 1));
      if (round < kills) child.kill("SIGKILL");
      if ((await ended) === 0) break;
      killed += 1;
      expect(round).toBeLessThan(kills + 1);
    }
    expect(killed).toBeGreaterThan(2);
    expect(await stage.rows()).toEqual(await whole.rows());
    expect((await stage.rows()).filter(({ nano }) => nano !== undefined)).toHaveLength(days * 5);
    const pointsOf = (receiver: OtlpReceiver): readonly string[] =>
      receiver
        .points("spendfuse.billed.cost")
        .map((point) => JSON.stringify(point))
        .sort();
    expect(pointsOf(receivers[1])).toEqual(pointsOf(receivers[0]));
    expect(pointsOf(receivers[0]).length).toBeGreaterThan(days * 5);
    for (const receiver of receivers) await receiver.close();
    await whole.close();
  });

  test("asks only for what it does not have", async () => {
    stage.books.costs = Array.from({ length: 300 }, (_, index) => cost(index + 1));
    const range = { from: TODAY - 300 * DAY, until: TODAY };
    await stage.poll(range);
    const all = stage.server.seen.length;
    const second = await setStage("openai");
    second.books.costs = stage.books.costs;
    let left = 4;
    const seen = second.server.seen as string[];
    const push = seen.push.bind(seen);
    seen.push = (...urls: string[]) => {
      if (--left === 0) second.server.troubles.push({ status: 403, body: { error: { message: "no" } } });
      return push(...urls);
    };
    await expect(second.poll(range)).rejects.toMatchObject({ code: "SPENDFUSE_VENDOR" });
    await second.poll(range);
    expect(await second.rows()).toEqual(await stage.rows());
    expect(second.server.seen.length).toBeLessThan(all + 6);
    await second.close();
  });
});

test("keys of the stage are those of the vendors", () => {
  expect(Object.keys(ADMIN_KEYS)).toEqual(["openai", "anthropic", "openrouter"]);
});
