import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { afterAll, describe, expect, test, vi } from "vitest";
import { command } from "../../src/cli/commands/sandbox.ts";
import type { StateView } from "../../src/sandbox/view.ts";
import { writeSmallAssets } from "../datadog/small-assets.ts";
import { entryPath } from "../entries.ts";

const MAIN = entryPath("cli/main");
const running: ChildProcess[] = [];
const assets = writeSmallAssets();
afterAll(() => {
  rmSync(assets, { recursive: true });
  for (const child of running) child.kill("SIGKILL");
});

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
  running.push(child);
  let out = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (out += chunk));
  return { child, said: () => out, ended: once(child, "exit").then(([code]) => code as number) };
}

async function startSandbox(...args: string[]) {
  const sandbox = start(["sandbox", "--port", "0", ...args]);
  await expect.poll(sandbox.said, { timeout: 100_000 }).toContain("OTEL_EXPORTER_OTLP_ENDPOINT=");
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(sandbox.said())?.[0] as string;
  const state = async (): Promise<StateView> => (await (await fetch(`${url}/sandbox/state`)).json()) as StateView;
  const post = (path: string, body: unknown) =>
    fetch(`${url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  return { ...sandbox, url, state, post };
}

describe("spendfuse sandbox", () => {
  test("shows what we ship, evaluates it, and ends on a signal", async () => {
    const sandbox = await startSandbox("--simulated", "--start", "2026-11-02T09:00:00Z");
    expect(sandbox.said()).toContain("21 monitors, 5 dashboards");
    expect(sandbox.said()).not.toContain("not evaluated");
    const point = {
      attributes: [{ key: "agent", value: { stringValue: "a" } }],
      timeUnixNano: `${Date.now()}000000`,
      asDouble: 9,
    };
    const sum = { aggregationTemporality: 1, isMonotonic: true, dataPoints: [point] };
    const metrics = { resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: "spendfuse.cost", sum }] }] }] };
    expect((await sandbox.post("/v1/metrics", metrics)).status).toBe(200);
    expect((await sandbox.post("/sandbox/clock", { advance: 120 })).status).toBe(200);
    const { monitors, now, webhooks } = await sandbox.state();
    expect(new Date(now * 1_000).toISOString()).toBe("2026-11-02T09:02:00.000Z");
    expect(monitors.find(({ name }) => name === "Agent spend over limit in 5 minutes")?.status).toBe("Alert");
    // Without --breaker there is no webhook to call.
    expect(webhooks[0]).toMatchObject({ name: "spendfuse", delivered: false, answer: "there is no such webhook" });
    expect((await sandbox.post("/sandbox/clock", { advance: -1 })).status).toBe(400);
    sandbox.child.kill("SIGTERM");
    expect(await sandbox.ended).toBe(0);
  });

  test("deploy installs into it, as it does into Datadog, and finds nothing more to do", async () => {
    const sandbox = await startSandbox("--empty");
    const env = {
      DD_API_KEY: "x",
      DD_APP_KEY: "x",
      SPENDFUSE_DD_API_URL: sandbox.url,
      SPENDFUSE_WEBHOOK_SECRET: "s".repeat(20),
    };
    const args = [
      "deploy",
      "--notify",
      "@oncall-me",
      "--webhook-url",
      "https://breaker.example.com/webhooks/datadog",
      "--set",
      "agent_hourly_usd=7",
      "--assets",
      assets,
    ];
    const first = start(args, env);
    expect(await first.ended, first.said()).toBe(0);
    const { monitors, dashboards } = await sandbox.state();
    expect([monitors.length, dashboards.length]).toEqual([21, 5]);
    expect(monitors.find(({ name }) => name === "Agent spend over limit in 1 hour")?.critical).toBe(7);
    expect(monitors.every(({ refused }) => refused === undefined)).toBe(true);
    const again = start([...args, "--plan"], env);
    expect(await again.ended).toBe(0);
    expect(again.said()).toMatch(/^0 to change/m);
    sandbox.child.kill("SIGTERM");
    await sandbox.ended;
  });

  test("a deploy that is killed is finished by the next", async () => {
    const sandbox = await startSandbox("--empty");
    const env = {
      DD_API_KEY: "x",
      DD_APP_KEY: "x",
      SPENDFUSE_DD_API_URL: sandbox.url,
      SPENDFUSE_WEBHOOK_SECRET: "s".repeat(20),
    };
    const url = "https://breaker.example.com/webhooks/datadog";
    const args = ["deploy", "--notify", "@oncall-me", "--webhook-url", url, "--assets", assets];
    for (const line of ["webhook spendfuse: created", "monitor bill_drift: created"]) {
      const killed = start(args, env);
      await expect.poll(killed.said, { timeout: 100_000, interval: 2 }).toMatch(new RegExp(`${line}|as it is`));
      killed.child.kill("SIGKILL");
      await killed.ended;
    }
    const last = start(args, env);
    expect(await last.ended, last.said()).toBe(0);
    const { monitors, dashboards } = await sandbox.state();
    expect([monitors.length, dashboards.length]).toEqual([21, 5]);
    sandbox.child.kill("SIGTERM");
    await sandbox.ended;
  });

  test.each([
    [["--start", "now"], "--start and --speed need --simulated"],
    [["--simulated", "--start", "now"], "--start must be a time"],
    [["--simulated", "--speed", "9999"], "--speed must be a number"],
    [["--port", "99999"], "--port must be a number"],
    [["--breaker", "localhost"], "--breaker must be an http"],
    [["--rate-limit", "100"], "--rate-limit must be requests/seconds"],
    [["--fast"], "--fast"],
  ])("%j is refused", async (args, message) => {
    const said = vi.spyOn(console, "error").mockImplementation(() => {});
    expect(await command.run([...args])).toBe(2);
    expect(said.mock.calls.join("\n")).toContain(message);
    said.mockRestore();
  });
});
