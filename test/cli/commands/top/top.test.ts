import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { meteredKey, meteredSums, NOTHING_METERED } from "../../../../src/core/metered.ts";
import { openStore } from "../../../../src/stores/open.ts";
import { entryPath } from "../../../entries.ts";

const MAIN = entryPath("cli/main");
const folder = mkdtempSync(join(tmpdir(), "spendfuse-top-"));
const store = `file:${join(folder, "store.db")}`;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  const opened = await openStore(store);
  const today = Date.now() - (Date.now() % 86_400_000);
  const total = (agent: string, cost: number) => {
    const group = {
      ...{ day: today, provider: "openai", model: "gpt-5", tier: "", key: "k", agent, rootAgent: agent, team: "" },
      ...{ project: "", quality: "reported" as const, priced: "true" as const },
    };
    return { day: today, key: meteredKey(group), sums: meteredSums({ ...NOTHING_METERED, calls: 2, cost }) };
  };
  await opened.putMetered("test", [total("researcher", 3e9), total("writer", 1e9)]);
  await opened.close();
});

const environment = { PATH: process.env.PATH ?? "", HOME: folder, TERM: "xterm", NODE_COMPILE_CACHE: "" };

function top(...args: readonly string[]) {
  const options = { encoding: "utf8", env: environment, cwd: folder } as const;
  return spawnSync(process.execPath, [MAIN, "top", ...args], options);
}

describe("spendfuse top", () => {
  test("without a terminal prints the store's totals once", () => {
    const { status, stdout } = top("--store", store);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\$4\.00, \$0\.00 a minute, 2 agents {2}file store, since midnight UTC$/m);
    expect(stdout).toMatch(/^researcher +\$3\.00 +\$0\.00 +2 /m);
    const [line = ""] = top("--store", store, "--json", "--once").stdout.split("\n");
    expect(JSON.parse(line).rows).toContainEqual({
      ...{ agent: "writer", calls: 2, tokens: 0, costUsd: 1, usdPerMinute: 0, inexactCalls: 0 },
    });
  });

  test.each([
    [[], "name the store of your processes"],
    [["--store", "memory"], "name the store of your processes"],
    [["--store", store, "--by", "agnt"], "--by takes agent"],
    [["--store", store, "--every", "1ms"], "--every must be a time"],
    [["--listen", "x"], "--listen takes a port"],
    [["--listen", "--store", store], "--listen excludes --store"],
    [["--store", store, "more"], 'unexpected argument "more"'],
  ])("%j: says what to do", (args, text) => {
    const { status, stderr } = top(...args);
    expect([status, stderr]).toEqual([2, expect.stringContaining(text)]);
  });

  test("receives what an exporter sends, by its own variable", async () => {
    const child = spawn(process.execPath, [MAIN, "top", "--listen", "0", "--json", "--every", "200ms"], {
      ...{ env: environment, cwd: folder },
    });
    const seen = { out: "", err: "" };
    child.stdout.on("data", (data) => (seen.out += data));
    child.stderr.on("data", (data) => (seen.err += data));
    await vi.waitFor(() => expect(seen.err).toMatch(/ENDPOINT=(\S+)/), 20_000);
    const url = /ENDPOINT=(\S+)/.exec(seen.err)?.[1];
    const point = { asDouble: 0.5, attributes: [{ key: "agent", value: { stringValue: "a" } }] };
    const metric = {
      name: "spendfuse.cost",
      sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints: [point] },
    };
    const body = JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics: [metric] }] }] });
    const headers = { "content-type": "application/json" };
    expect((await fetch(`${url}/v1/metrics`, { method: "POST", body, headers })).status).toBe(200);
    expect((await fetch(`${url}/v1/metrics`, { method: "POST", body: "{", headers })).status).toBe(400);
    await vi.waitFor(() => expect(seen.out).toContain('"agent":"a","calls":0,"tokens":0,"costUsd":0.5'), 20_000);
    child.kill("SIGINT");
    await ended(child);
  });

  test("on a terminal its keys trip an agent's circuit, after a question, and q leaves the terminal as it was", async () => {
    const command = `"${process.execPath}" "${MAIN}" top --store "${store}" --every 200ms`;
    const child = spawn("script", ["-qefc", command, "/dev/null"], { env: environment, cwd: folder });
    let out = "";
    child.stdout.on("data", (data) => (out += data));
    const until = (text: string) => vi.waitFor(() => expect(out).toContain(text), 20_000);
    await until("researcher");
    child.stdin.write("\x1b[B");
    child.stdin.write("t");
    await until("refuse every call of researcher in all processes?");
    child.stdin.write("y");
    await until("agent:researcher: open");
    child.stdin.write("q");
    expect(await ended(child)).toBe(0);
    expect(out).toContain("\x1b[?25h");
    const opened = await openStore(store);
    expect(await opened.circuits()).toMatchObject([{ scope: "agent:researcher", state: "open" }]);
    await opened.close();
  });
});

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once("close", resolve));
}
