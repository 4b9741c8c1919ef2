import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import OpenAI from "openai";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";

const MAIN = join(import.meta.dirname, "../../../src/cli/main.ts");

let dir: string;
let runtime: Runtime;
let store: string;
let server: Server;
let client: OpenAI;

/** A vendor whose stream breaks off, or goes on, after its usage; and that answers whole questions of 2,000 tokens at once. */
function startVendor(): Server {
  let flaky = 0;
  return createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const { stream, model } = JSON.parse(text) as { stream?: boolean; model: string };
    if (model === "flaky" && flaky++ === 0) {
      response.writeHead(500).end("{}");
      return;
    }
    const usage = { prompt_tokens: 2_000, completion_tokens: 100, total_tokens: 2_100 };
    const base = { id: "c1", created: 1, model: "m" };
    if (stream !== true) {
      const message = { role: "assistant", content: "An answer." };
      const whole = {
        ...base,
        object: "chat.completion",
        choices: [{ index: 0, message, finish_reason: "stop" }],
        usage,
      };
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(whole));
      return;
    }
    response.setHeader("content-type", "text/event-stream");
    const delta = {
      ...base,
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta: { content: "An" } }],
      usage,
    };
    response.write(`data: ${JSON.stringify(delta)}\n\n`);
    if (model === "breaks") setTimeout(() => response.destroy(), 20);
  });
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "spendfuse-waste-"));
  store = `file:${join(dir, "spend.db")}`;
  server = startVendor();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  runtime = createRuntime(() => {});
  const env = { SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1", SPENDFUSE_EXIT_SENDER: "0", SPENDFUSE_STATE_DIR: dir };
  const rates = { inputPerMTok: 1_000, outputPerMTok: 10_000, cacheReadPerMTok: 100 };
  const prices = ["m", "breaks"].map((model) => ({ model, ...rates }));
  await runtime.start({
    telemetry: false,
    env,
    config: { store, repeats: { max: 20, within: "5m" }, prices, hosts: [{ host, provider: "openai" }] },
  });
  client = new OpenAI({
    apiKey: "sk-test",
    baseURL: `http://${host}/v1`,
    fetch: runtime.wrapFetch(fetch),
    maxRetries: 0,
  });
});

afterEach(async () => {
  await runtime.stop();
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true });
});

async function report(...args: readonly string[]): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: dir, SPENDFUSE_STORE: store, SPENDFUSE_CONFIG: join(dir, "config.json") };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--no-warnings", MAIN, "report", "--waste", ...args],
    {
      cwd: dir,
      env: {
        ...env,
        SPENDFUSE_CONFIG: JSON.stringify({
          prices: [{ model: "m", inputPerMTok: 1_000, outputPerMTok: 10_000, cacheReadPerMTok: 100 }],
        }),
      },
    },
  );
  return stdout;
}

const LONG = "A line of a file that says nothing much. ".repeat(180);

test("a report says what bought nothing, of calls of OpenAI's SDK", async () => {
  const { scope } = runtime.scoping;
  const ask = (messages: OpenAI.ChatCompletionMessageParam[]) =>
    client.chat.completions.create({ model: "m", messages });
  const first: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: LONG }];
  // Two whole answers of $3, the second of which sends the 2,000 tokens of the first again, uncached.
  await scope({ agent: "whole" }, async () => {
    const { choices } = await ask(first);
    await ask([...first, choices[0]!.message, { role: "user", content: "And then?" }]);
  });
  // A stream that its reader leaves after the first chunk, and one that breaks off.
  await scope({ agent: "leaver" }, async () => {
    const messages = [{ role: "user" as const, content: "Say it at length." }];
    for await (const _ of await client.chat.completions.create({ model: "m", messages, stream: true })) break;
  });
  const broken = scope({ agent: "loser" }, async () => {
    const messages = [{ role: "user" as const, content: "Say it at length." }];
    for await (const _ of await client.chat.completions.create({ model: "breaks", messages, stream: true }));
  });
  await expect(broken).rejects.toThrow();
  // A whole answer for work that fails.
  await expect(
    scope({ agent: "worker" }, async () => {
      await ask([{ role: "user", content: "Something else." }]);
      throw new Error("of no use");
    }),
  ).rejects.toThrow("of no use");
  // The same three times, and once again after the vendor has failed.
  await scope({ agent: "looper" }, async () => {
    for (let time = 0; time < 3; time++) await ask([{ role: "user", content: "Is it done?" }]);
  });
  await scope({ agent: "retrier" }, async () => {
    const request = { model: "flaky", messages: [{ role: "user" as const, content: "Is it done?" }] };
    await expect(client.chat.completions.create(request)).rejects.toThrow("500");
    await client.chat.completions.create(request);
  });
  await runtime.flush();

  const { rows, total } = JSON.parse(await report("--json"));
  const of = (agent: string) => rows.find((row: { agent: string }) => row.agent === agent);
  const costOf = (agent: string) => Number(runtime.ledger.sums(`agent:${agent}`, "day", Date.now())?.cost) / 1e9;
  // 2,000 tokens at $1,000 instead of $100 a million.
  expect(of("whole")).toMatchObject({
    meteredUsd: "6.000000000",
    wastedUsd: "1.800000000",
    wastedRatio: 0.3,
    calls: 2,
  });
  expect(of("whole").causes.uncached).toEqual({ usd: "1.800000000", calls: 0 });
  expect(of("leaver").causes.canceled).toEqual({ usd: costOf("leaver").toFixed(9), calls: 1 });
  expect(of("loser").causes.failed).toEqual({ usd: costOf("loser").toFixed(9), calls: 1 });
  expect(of("worker").causes.failed_work).toEqual({ usd: "3.000000000", calls: 1 });
  expect(of("looper")).toMatchObject({ meteredUsd: "9.000000000", wastedUsd: "6.000000000", calls: 3 });
  expect(of("looper").causes.repeated).toEqual({ usd: "6.000000000", calls: 2 });
  expect(of("retrier")).toMatchObject({ meteredUsd: "3.000000000", wastedUsd: "0.000000000" });
  for (const agent of ["leaver", "loser", "worker"]) {
    expect(costOf(agent)).toBeGreaterThan(0);
    expect(of(agent)).toMatchObject({ wastedRatio: 1 });
  }
  expect(Number(total.meteredUsd)).toBeCloseTo(21 + costOf("leaver") + costOf("loser"), 9);
  expect(Number(total.wastedUsd)).toBeCloseTo(10.8 + costOf("leaver") + costOf("loser"), 9);

  const table = await report();
  expect(table).toMatch(/^agent +metered +bought nothing +share +why$/m);
  expect(table).toMatch(/^whole +\$6\.00 +\$1\.80 +30\.0 % +repeated input not cached \$1\.80$/m);
  expect(table).toMatch(/^worker +\$3\.00 +\$3\.00 +100\.0 % +failed work \$3\.00 \(1 call\)$/m);
  const csv = (await report("--csv", "--by", "model,agent")).trim().split("\n");
  expect(csv[0]).toMatch(/^model,agent,metered_usd,wasted_usd,wasted_ratio,calls,canceled_usd,canceled_calls,/);
  expect(csv.find((line) => line.startsWith("m,whole,"))).toMatch(
    /^m,whole,6\.000000000,1\.800000000,0\.3,2,0\.000000000,0,/,
  );
  expect(csv.at(-1)).toMatch(/^all,,/);
}, 60_000);
