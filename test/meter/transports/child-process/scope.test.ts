import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as wire from "../../../servers/formats.ts";
import { type ModelServer, startModelServer } from "../../../servers/model-server.ts";

const PARENT = fileURLToPath(new URL("../../../fixtures/scope-parent.mjs", import.meta.url));
const REGISTER = new URL("../../../../src/register.ts", import.meta.url).href;

let vendor: ModelServer;
beforeAll(async () => {
  vendor = await startModelServer();
});
afterAll(() => vendor.close());
beforeEach(() => {
  const usage = { input_tokens: 1000, output_tokens: 100 };
  vendor.play(wire.whole(wire.anthropicMessage({ id: "m", model: "claude-sonnet-4-6" }, [], "end_turn", usage)));
});

async function run(way: string, more: Readonly<Record<string, string>> = {}): Promise<readonly unknown[]> {
  const child = spawn(process.execPath, ["--import", REGISTER, PARENT, way], {
    env: { PATH: process.env.PATH, VENDOR: vendor.url, SPENDFUSE_QUIET: "1", SPENDFUSE_CONFIG: "{}", ...more },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  await new Promise((resolve) => child.on("close", resolve));
  expect(vendor.visits, err).toHaveLength(1);
  return out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

describe("a hooked child is in the scope that started it, and counts its call once", () => {
  test.each([
    "fork",
    "a spawned node",
    "a spawned shell",
    "cluster",
    "a worker thread",
    "a worker thread with an environment",
  ])("%s", async (way) => {
    const scope = { agent: "flights", rootAgent: "planner", run: "r1", team: "search" };
    expect(await run(way)).toEqual([expect.objectContaining(scope)]);
  });

  test("with an agent of its own, below it", async () => {
    expect(await run("fork", { WAY: "inner" })).toEqual([
      expect.objectContaining({ agent: "inner", rootAgent: "planner", run: "r1" }),
    ]);
  });

  test("with a default agent in the environment, which is around nothing", async () => {
    expect(await run("fork", { SPENDFUSE_AGENT: "app" })).toEqual([
      expect.objectContaining({ rootAgent: "planner", run: "r1" }),
    ]);
  });

  test("not a thread that shares the environment", async () => {
    expect(await run("a worker thread that shares ours")).toEqual([expect.objectContaining({ agent: "unknown" })]);
  });
});
