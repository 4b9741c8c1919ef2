import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openBook } from "../../src/billing/book.ts";
import { type Settlement, settle } from "../../src/billing/settle.ts";
import * as registry from "../../src/billing/vendors/registry.ts";
import { DAY_MS, type Vendor } from "../../src/billing/vendors/vendor.ts";
import { type MeteredRow, NOTHING_METERED } from "../../src/core/metered.ts";

const DAY = Date.UTC(2026, 10, 20);
const folder = mkdtempSync(join(tmpdir(), "spendfuse-settle-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const called = (vendor: Vendor, day = DAY): MeteredRow => ({
  ...NOTHING_METERED,
  ...{ day, provider: vendor.providers[0] as string, model: "some-model", tier: "", key: "" },
  ...{ agent: "a", rootAgent: "a", team: "", project: "", quality: "reported", priced: "true" },
  ...{ calls: 1, cost: 5_000, output: 10 },
});

async function settled(vendor: Vendor, now: number, metered: readonly MeteredRow[], days = 1): Promise<Settlement[]> {
  const book = await openBook(join(folder, `${Math.random()}.db`), { alone: true });
  try {
    const among = async (from: number, until: number) => metered.filter(({ day }) => day >= from && day < until);
    const options = { book, vendor, metered: among, aliases: {}, discounts: [], now };
    const found: Settlement[] = [];
    for await (const one of (await settle(options, DAY + 1, DAY + days * DAY_MS)).days()) found.push(one);
    return found;
  } finally {
    book.close();
  }
}

describe.each(Object.values(registry))("$name", (vendor) => {
  const reasonAt = async (now: number) =>
    (await settled(vendor, now, [called(vendor)])).flatMap(({ lines }) => lines.map(({ reasons }) => reasons));

  test("what is not billed is late for as long as the vendor may add to the day, and then it is not billed", async () => {
    const over = DAY + DAY_MS + vendor.lateMs;
    expect(await reasonAt(over - 1)).toEqual([{ late: -5_000n }]);
    expect(await reasonAt(over)).toEqual([{ not_billed: -5_000n }]);
  });

  test("calls of another vendor are on none of its lines", async () => {
    const other = { ...called(vendor), provider: "somebody else" };
    expect(await settled(vendor, DAY, [other])).toEqual([{ day: DAY, lines: [] }]);
  });

  test("calls on a subscription are on none of its lines", async () => {
    const plan = { ...called(vendor), priced: "plan" as const };
    expect(await settled(vendor, DAY, [plan])).toEqual([{ day: DAY, lines: [] }]);
  });

  test("what is said of waste leaves the bill as it is", async () => {
    const plain = { ...called(vendor), calls: 3, cost: 15_000, inputUncached: 40, output: 30, tags: "customer:x" };
    const parts = [
      { ...called(vendor), inputUncached: 25, output: 20, cost: 9_000, calls: 2, tags: "customer:x" },
      { ...called(vendor), ...NOTHING_METERED, inputUncached: 15, tags: "customer:x,waste:uncached" },
      { ...called(vendor), output: 10, cost: 6_000, tags: "customer:x,waste:canceled" },
    ];
    const whole = await settled(vendor, DAY, [plain]);
    expect(whole[0]?.lines).toMatchObject([{ metered: 15_000n, tokens: 70n, bearer: { tags: "customer:x" } }]);
    expect(await settled(vendor, DAY, parts)).toEqual(whole);
  });

  test("each day has its own calls", async () => {
    const calls = [called(vendor), called(vendor, DAY + DAY_MS), called(vendor, DAY + 3 * DAY_MS)];
    const days = await settled(vendor, DAY, calls, 3);
    expect(days.map(({ day, lines }) => [(day - DAY) / DAY_MS, lines.length])).toEqual([
      [0, 1],
      [1, 1],
      [2, 0],
    ]);
  });
});
