import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OPENROUTER_PATH, resold } from "../../../src/demo/fake-vendor/billing-account.ts";
import type { BilledCall } from "../../../src/demo/fake-vendor.ts";
import { createRandom } from "../../random.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../../servers/otlp-receiver.ts";
import { callFor } from "./calls.ts";
import type { LateOrders } from "./late-process.ts";
import { type LateStage, MINUTE, meteredIn, setLateStage, startApp } from "./stage.ts";

const SCALE = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
const PROGRAM = fileURLToPath(new URL("late-process.ts", import.meta.url));
let stage: LateStage;
let receiver: OtlpReceiver;

beforeEach(async () => {
  stage = await setLateStage();
  receiver = await startOtlpReceiver();
});
afterEach(async () => {
  await receiver.close();
  await stage.close();
});

function start(role: LateOrders["role"], aheadMs = 30 * MINUTE): ChildProcess {
  const { env, path, bookPath, vendor } = stage;
  const orders: LateOrders = {
    ...{ role, env, path, bookPath, aheadMs, receiver: receiver.url },
    config: stage.config({ billing: { settle: true } }),
    vendor: { openai: vendor.openai, anthropic: vendor.anthropic, openrouter: vendor.openrouter },
  };
  return spawn(process.execPath, ["--no-warnings", PROGRAM, JSON.stringify(orders)], { stdio: "inherit" });
}

function costOf(call: BilledCall): number {
  return call.path === OPENROUTER_PATH ? resold(call.cost) : call.cost;
}

test(
  "a poller that is killed settles each call once, and tells of it once",
  async () => {
    const random = createRandom(Number(process.env.SPENDFUSE_FUZZ_SEED ?? 11));
    const app = await startApp(stage);
    for (let call = 0; call < 24; call += 1)
      await callFor(app, stage.vendor, call % 3 === 0 ? "openai" : "openrouter", { chunks: 2 + call });
    await callFor(app, stage.vendor, "openai");
    await stage.vendor.idle();
    await app.runtime.flush();
    const before = await meteredIn(stage.store);
    const kills = 8 * SCALE;
    let killed = 0;
    // Requests of the vendors and points are what a round does: it is killed between any two of them.
    const happened = (): number => stage.openrouter.seen.length + stage.openai.seen.length + receiver.requests.length;
    for (let round = 0; round < kills; round += 1) {
      const child = start("poller");
      const exit = once(child, "exit");
      const after = happened() + Math.floor(random() * 8);
      while (happened() <= after && child.exitCode === null) await wait(1);
      await wait(random() * 6);
      if (child.exitCode === null) killed += 1;
      child.kill("SIGKILL");
      await exit;
      const { estimated, settled } = await meteredIn(stage.store);
      expect((estimated?.calls ?? 0) + (settled?.calls ?? 0)).toBe(24);
    }
    expect(killed).toBeGreaterThan(1);
    const last = start("poller");
    expect(await once(last, "exit")).toEqual([0, null]);
    const truth = stage.bill().reduce((sum, call) => sum + costOf(call), 0);
    const after = await meteredIn(stage.store);
    expect(after.estimated).toBeUndefined();
    expect((after.settled?.cost ?? 0) + (after.reported?.cost ?? 0)).toBe(truth);
    const change = receiver.total("spendfuse.cost") - receiver.total("spendfuse.overestimated_cost") * 1e9;
    expect(Math.round(change)).toBe((after.settled?.cost ?? 0) - (before.estimated?.cost ?? 0));
    expect(receiver.total("spendfuse.settled_calls")).toBe(24);
    await app.runtime.stop();
  },
  120_000 * SCALE,
);

test(
  "an app that is killed leaves each call estimated or settled, never both",
  async () => {
    const random = createRandom(Number(process.env.SPENDFUSE_FUZZ_SEED ?? 12));
    for (let round = 0; round < 4 * SCALE; round += 1) {
      const child = start("app", 0);
      const exit = once(child, "exit");
      const before = stage.bill().length;
      const after = before + 3 + random() * 12;
      while (stage.bill().length < after && child.exitCode === null) await wait(2);
      await wait(random() * 10);
      child.kill("SIGKILL");
      expect(await exit).toEqual([null, "SIGKILL"]);
    }
    await stage.vendor.idle();
    const billed = new Map(stage.bill().map((call) => [call.id, costOf(call)]));
    const check = async (): Promise<number> => {
      const { calls, settlements } = await stage.store.late(0, Date.now() + MINUTE);
      let cost = 0;
      for (const call of calls) {
        const settlement = settlements.get(call.id);
        if (settlement !== undefined) expect(settlement.costNano).toBe(billed.get(call.responseId));
        cost += settlement === undefined ? (call.costNano ?? 0) : (settlement.costNano ?? 0);
      }
      const metered = await meteredIn(stage.store);
      expect(Object.values(metered).reduce((sum, one) => sum + one.calls, 0)).toBe(calls.length);
      expect(Object.values(metered).reduce((sum, one) => sum + one.cost, 0)).toBe(cost);
      expect(metered.settled?.calls ?? 0).toBe(settlements.size);
      return calls.length - settlements.size;
    };
    await check();
    // What the apps did not live to settle, the poller does.
    expect(await once(start("poller"), "exit")).toEqual([0, null]);
    expect(await check()).toBe(0);
  },
  120_000 * SCALE,
);
