import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { tellAll } from "../../src/breaker/budgets/reload.ts";
import type { BudgetConfig } from "../../src/core/config-types.ts";
import { openStore } from "../../src/stores/open.ts";
import { eventually } from "../eventually.ts";
import { answer, chat, type Guarded, guard } from "../guard/guarded.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";

let server: ModelServer;
let folder: string;
let path: string;
let address: string;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  server = await startModelServer();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "spendfuse-reload-"));
  path = join(folder, "spendfuse.config.json");
  address = `file:${join(folder, "store.db")}`;
  server.play(() => answer(400, 400));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true, force: true });
});
afterAll(() => server.close());

const HOUR: BudgetConfig = { name: "hour", scope: { agent: "*" }, per: "hour", calls: 2 };

function write(...budgets: readonly unknown[]): void {
  writeFileSync(path, JSON.stringify({ budgets }));
}

async function open(): Promise<Guarded> {
  const process = await guard(server, { store: address }, false, path);
  closers.push(() => process.stop());
  return process;
}

async function statusOf(process: Guarded): Promise<number> {
  return (await chat(process, server.url)).status;
}

const capsOf = ({ runtime }: Guarded) => runtime.budgets().map(({ budget, cap }) => [budget, cap]);

test("a configuration that is read again changes caps, adds and removes budgets, and keeps what was spent", async () => {
  write(HOUR);
  const process = await open();
  for (const status of [200, 200, 402]) expect(await statusOf(process)).toBe(status);
  write({ ...HOUR, calls: 3 });
  process.runtime.reload();
  for (const status of [200, 402]) expect(await statusOf(process)).toBe(status);
  write({ ...HOUR, calls: 100 }, { name: "day", per: "day", calls: 1 });
  process.runtime.reload();
  for (const status of [200, 402]) expect(await statusOf(process)).toBe(status);
  write({ ...HOUR, calls: 5 });
  process.runtime.reload();
  expect(capsOf(process)).toEqual([["hour", 5]]);
  for (const status of [200, 402]) expect(await statusOf(process)).toBe(status);
  write();
  process.runtime.reload();
  expect(await statusOf(process)).toBe(200);
  write({ ...HOUR, calls: 6 });
  process.runtime.reload();
  for (const status of [200, 402]) expect(await statusOf(process)).toBe(status);
});

const WRONG: readonly (readonly [what: string, text: string, says: RegExp])[] = [
  ["is no JSON", "{", /JSON/],
  ["has an unknown unit", JSON.stringify({ budgets: [{ per: "hour", euro: 2 }] }), /budgets\[0\]/],
  ["has a negative cap", JSON.stringify({ budgets: [{ per: "hour", calls: -1 }] }), /calls/],
];

test.each(WRONG)("a configuration that %s changes nothing and says why", async (_, text, says) => {
  write(HOUR);
  const process = await open();
  expect(await statusOf(process)).toBe(200);
  writeFileSync(path, text);
  expect(() => process.runtime.reload()).toThrow(says);
  for (const status of [200, 402]) expect(await statusOf(process)).toBe(status);
});

test("says which other keys need a restart", async () => {
  write(HOUR);
  const process = await open();
  await statusOf(process);
  writeFileSync(path, JSON.stringify({ budgets: [HOUR], unpriced: "refuse" }));
  process.runtime.reload();
  expect(process.said.at(-1)).toBe("configuration read again: 1 budget; unpriced changed too, which takes a restart");
});

test("all processes of a store read theirs within a second, and it is logged", async () => {
  write(HOUR);
  const fleet = [await open(), await open()];
  for (const process of fleet) expect(await statusOf(process)).toBe(200);
  for (const process of fleet) expect(await statusOf(process)).toBe(402);
  write({ ...HOUR, calls: 3 });
  const store = await openStore(address);
  closers.push(() => store.close());
  const from = performance.now();
  await tellAll(store, "ada", "more");
  await eventually(() => expect(fleet.map(capsOf)).toEqual([[["hour", 3]], [["hour", 3]]]));
  expect(performance.now() - from).toBeLessThan(1_000);
  expect([await statusOf(fleet[1] as Guarded), await statusOf(fleet[0] as Guarded)]).toEqual([200, 402]);
  expect((await store.audit(20)).filter(({ what }) => what === "reload")).toMatchObject([{ by: "ada", why: "more" }]);
  writeFileSync(path, "{");
  await tellAll(store, "ada", "less");
  await eventually(() => expect(fleet.every(({ said }) => said.at(-1)?.includes("the old one holds"))).toBe(true));
  expect(fleet.map(capsOf)).toEqual([[["hour", 3]], [["hour", 3]]]);
});

test("a breaker inside a process reads it again for an operator, and says what is wrong with it", async () => {
  write(HOUR);
  const process = await guard(server, { store: address, breaker: { port: 0 } }, false, path);
  closers.push(() => process.stop());
  const post = () =>
    fetch(`${process.runtime.breakerUrl()}/budgets/reload`, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    });
  for (const status of [200, 200, 402]) expect(await statusOf(process)).toBe(status);
  writeFileSync(path, JSON.stringify({ budgets: [{ per: "hour", calls: "two" }] }));
  const wrong = await post();
  expect(wrong.status).toBe(400);
  expect(await wrong.text()).toMatch(/nothing was changed.*budgets\[0\]/);
  expect(await statusOf(process)).toBe(402);
  write({ ...HOUR, calls: 3 });
  expect((await post()).status).toBe(200);
  for (const status of [200, 402]) expect(await statusOf(process)).toBe(status);
});

test("a breaker reads it again on SIGHUP, and goes on with the old one where it is wrong", async () => {
  write(HOUR);
  const program = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--no-warnings", program, "breaker", "--port", "0", "--store", address], {
    env: { ...process.env, SPENDFUSE_CONFIG: path },
    stdio: ["ignore", "pipe", "pipe"],
  });
  closers.push(() => child.kill("SIGKILL"));
  await once(createInterface({ input: child.stdout }), "line");
  const said: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => said.push(line));
  for (const [text, says] of [
    [JSON.stringify({ budgets: [HOUR, { per: "day", usd: 1 }] }), "read again: 2 budgets"],
    ["{", "the old one holds"],
    ["{}", "read again: 0 budgets"],
  ] as const) {
    writeFileSync(path, text);
    await eventually(() => expect(said.some((line) => line.includes("configuration from"))).toBe(true));
    child.kill("SIGHUP");
    await eventually(() => expect(said.at(-1)).toContain(says));
  }
});
