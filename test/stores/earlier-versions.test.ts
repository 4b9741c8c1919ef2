import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Report } from "../../src/limits/tally.ts";
import { openFile } from "../../src/stores/file/store.ts";
import { openStore } from "../../src/stores/open.ts";
import { openRedis } from "../../src/stores/redis/store.ts";
import { changeCircuit, type Store } from "../../src/stores/store.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../servers/redis.ts";

/** When the fixtures were written. */
const AT = Date.UTC(2026, 10, 28, 12);
const DAY = Date.UTC(2026, 10, 28);
const folder = mkdtempSync(join(tmpdir(), "spendfuse-earlier-"));
const fixture = (name: string): string => readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8");
const clock = (): number => AT + 1_000;
let redis: RedisServer | undefined;

beforeAll(async () => {
  if (NO_REDIS === undefined) redis = await startRedis();
});
afterAll(async () => {
  await redis?.kill();
  rmSync(folder, { recursive: true, force: true });
});

const EARLIER: Readonly<Record<string, () => Promise<Store>>> = {
  file() {
    const path = join(folder, "spend.db");
    const db = new DatabaseSync(path);
    db.exec(fixture("file-store.sql"));
    db.close();
    return openFile(path, { clock });
  },
  async redis() {
    for (const command of JSON.parse(fixture("redis.json")) as string[][]) await redis?.command(...command);
    return openRedis(redis?.url as string, clock);
  },
};

function report(holder: string, more: Partial<Report> = {}): Report {
  const sums = { cap: 1_000, spent: 0, acked: 0, others: 0, inUse: 0, keep: 0, need: 0, spare: 0 };
  const kept = { tight: false, leave: false, leaseMs: 10_000, keepMs: 60_000 };
  return { key: `old|agent:a|${DAY}`, earlier: [], holder, ...sums, ...kept, ...more };
}

describe.each(Object.entries(EARLIER))("the %s store of an earlier version", (name, open) => {
  test.skipIf(name === "redis" && NO_REDIS !== undefined)("keeps spend, circuits, log and totals", async () => {
    const store = await open();
    // 300 by a process that has left, 150 by one that goes on and holds 50.
    const [standing] = await store.exchange([report("three", { need: 600 })]);
    expect(standing).toMatchObject({ spent: 450, others: 450, held: 50, slice: 500, quiet: false, raised: 0 });
    const [other] = await store.exchange([report("two", { spent: 200, acked: 150, others: 300 })]);
    expect(other).toMatchObject({ spent: 500, others: 300 });
    expect(await store.circuit("agent:b")).toMatchObject({ state: "open", rev: 1, by: "monitor 1" });
    expect(await store.audit(10)).toEqual([expect.objectContaining({ scope: "agent:b", what: "trip" })]);
    expect(await store.metered(DAY, DAY + 86_400_000)).toEqual([
      expect.objectContaining({ provider: "openai", agent: "a", calls: 3, cost: 4_000 }),
    ]);
    const step = await changeCircuit(store, "agent:b", { type: "reset", by: "ann", reason: "fine" }, clock());
    expect(step.circuit).toMatchObject({ state: "closed", rev: 2 });
    expect(await store.takeTurn({ key: "t", everyMs: 1_000 })).toBe(0);
    await store.close();
  });
});

describe.skipIf(NO_REDIS !== undefined)("the version of the keys in Redis", () => {
  test("is written where there is none, and kept", async () => {
    const prefix = "fresh";
    await (await openStore(`${redis?.url}?prefix=${prefix}`)).close();
    expect(await redis?.command("HGET", `{${prefix}}:schema`, "version")).toBe("1");
    await (await openStore(`${redis?.url}?prefix=${prefix}`)).close();
    expect(await redis?.command("HGET", `{${prefix}}:schema`, "version")).toBe("1");
  });

  test("that is a later one is refused, with nothing changed", async () => {
    const prefix = "later";
    await redis?.command("HSET", `{${prefix}}:schema`, "version", "2");
    await expect(openStore(`${redis?.url}?prefix=${prefix}`)).rejects.toMatchObject({
      code: "SPENDFUSE_STORE",
      message: expect.stringMatching(/prefix later, has schema version 2, written by a later.*update spendfuse here/),
      facts: expect.objectContaining({ version: 2, known: 1 }),
    });
    expect(await redis?.command("KEYS", `{${prefix}}*`)).toBe(`{${prefix}}:schema`);
  });

  test("does not keep a user who may not write from reading", async () => {
    await redis?.command(
      "ACL",
      "SETUSER",
      "reader",
      "on",
      ">pass",
      "~*",
      "&*",
      "+@read",
      "+@connection",
      "+@pubsub",
      "+time",
    );
    const address = `${redis?.url?.replace("redis://", "redis://reader:pass@")}?prefix=unmarked`;
    const store = await openStore(address);
    expect(await store.circuits()).toEqual([]);
    await store.close();
  });
});
