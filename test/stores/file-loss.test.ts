import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openFile } from "../../src/stores/file/store.ts";
import { changeCircuit, type Store } from "../../src/stores/store.ts";
import { eventually } from "../eventually.ts";
import { answer, chat, type Guarded, guard } from "../guard/guarded.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";

const folder = mkdtempSync(join(tmpdir(), "spendfuse-file-"));
let server: ModelServer;
let guards: Guarded[] = [];
let stores: Store[] = [];

beforeAll(async () => {
  server = await startModelServer();
});
afterEach(async () => {
  await Promise.all([...guards.map((one) => one.stop()), ...stores.map((one) => one.close())]);
  guards = [];
  stores = [];
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const ENDS = ["", "-wal", "-shm"];

async function begin(path: string): Promise<Guarded> {
  const budgets = [{ scope: { agent: "*" }, per: "month", calls: 4 }] as const;
  const one = await guard(server, { store: `file:${path}`, budgets, whenStateUnknown: "closed" });
  guards.push(one);
  return one;
}

async function openAt(path: string): Promise<Store> {
  const store = await openFile(path, { pollMs: 5 });
  stores.push(store);
  return store;
}

test("the file and those beside it are readable by the user alone, also if they were not", async () => {
  const path = join(folder, "modes.db");
  const store = await openAt(path);
  await store.addAudit({ at: 0, scope: "all", what: "approve", by: "me", why: "", state: "none" });
  for (const end of ENDS) expect([end, (statSync(path + end).mode & 0o777).toString(8)]).toEqual([end, "600"]);
});

test("a file that vanishes is said, and made again with sums, circuits and signals", async () => {
  server.play(answer(100, 100));
  const path = join(folder, "gone.db");
  const [one, two] = [await begin(path), await begin(path)] as const;
  for (const each of [one, two]) expect((await chat(each, server.url)).status).toBe(200);
  const operator = await openAt(path);
  const trip = { type: "trip", source: "operator", reason: "test", by: "me", ttlMs: 60_000 } as const;
  await changeCircuit(operator, "agent:stopped", trip, Date.now());
  await eventually(async () => expect((await chat(one, server.url, { agent: "stopped" })).status).toBe(402));
  for (const end of ENDS) rmSync(path + end, { force: true });
  await eventually(() => expect(existsSync(path)).toBe(true));
  await eventually(() =>
    expect(one.said.join("\n")).toMatch(/was deleted while in use; it is made again|opened again/),
  );
  // Both go on where they were, and hear of one another by the new file.
  const later: number[] = [];
  for (const each of [one, two, one, two]) later.push((await chat(each, server.url)).status);
  expect(later).toEqual([200, 200, 402, 402]);
  expect((await chat(two, server.url, { agent: "stopped" })).status).toBe(402);
  await eventually(async () => expect(await operator.circuits()).toMatchObject([{ scope: "agent:stopped" }]));
  await changeCircuit(operator, "agent:late", trip, Date.now());
  await eventually(async () => expect((await chat(two, server.url, { agent: "late" })).status).toBe(402));
});

test("broken rows affect nothing but themselves", async () => {
  const path = join(folder, "broken.db");
  const store = await openAt(path);
  const trip = { type: "trip", source: "operator", reason: "test", by: "me", ttlMs: 60_000 } as const;
  for (const scope of ["agent:a", "agent:b", "agent:c"]) await changeCircuit(store, scope, trip, Date.now());
  const db = new DatabaseSync(path);
  db.exec(`UPDATE circuits SET json = '{"scope":' WHERE scope = 'agent:a'`);
  db.exec(
    `UPDATE circuits SET json = '{"scope":"agent:b","rev":1,"state":"open","until":1e300}' WHERE scope = 'agent:b'`,
  );
  db.exec(`INSERT INTO tallies VALUES ('k', '[null,"x",[["one",{"spent":"1e400"}],7]]', 9e15), ('l', '{', 9e15)`);
  const group = JSON.stringify([0, "openai", "m", ...Array(6).fill(""), "reported", "true"]);
  db.exec(`INSERT INTO metered VALUES (0, 'h', '${group}', '[1,"x",null,1e999]'), (0, 'i', '${group}', 'garbage')`);
  db.exec(`INSERT INTO metered VALUES (0, 'h', '[', '[1]'), (0, 'i', '[]', '[1]')`);
  db.exec(`INSERT INTO signals (at, json) VALUES (0, 'garbage'), (0, '[]'), (0, '{"circuit":"agent:a"}')`);
  db.close();
  expect((await store.circuits()).map(({ scope }) => scope)).toEqual(["agent:c"]);
  expect(await store.circuit("agent:a")).toBeUndefined();
  // It can be tripped again.
  expect(await changeCircuit(store, "agent:a", trip, Date.now())).toMatchObject({ changed: true });
  expect(await store.metered(0, 1)).toMatchObject([{ calls: 1, cost: 0 }]);
  const report = { earlier: [], holder: "two", cap: 100, spent: 5, acked: 0, others: 30, inUse: 0, keep: 0 };
  const more = { need: 0, spare: 0, tight: false, leave: false, leaseMs: 1_000, keepMs: 60_000 };
  const reports = ["k", "l", "m"].map((key) => ({ key, ...report, ...more, others: key === "m" ? 0 : 30 }));
  const spoilt = { ...reports[2], key: "n", spent: Number.NaN } as (typeof reports)[number];
  const standings = await store.exchange([...reports, spoilt]);
  expect(standings.map((one) => one?.spent)).toEqual([35, 35, 5, undefined]);
});
