import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answer, MODEL, PRICE } from "../guard/guarded.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";

let server: ModelServer;

beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

const index = new URL("../../src/index.ts", import.meta.url).href;

/** A thread that makes calls when it is told to, and says how many passed. */
const thread = (url: string, cap: number): string => `
  import { start } from ${JSON.stringify(index)};
  import { parentPort } from "node:worker_threads";
  const budgets = [{ per: "month", calls: ${cap} }, { per: "run", calls: ${cap} }];
  const config = {
    budgets, whenStateUnknown: "closed", prices: [${JSON.stringify(PRICE)}],
    hosts: [{ host: ${JSON.stringify(new URL(url).host)}, like: "api.openai.com" }],
  };
  const env = { SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1" };
  // A configuration that is replaced, and with it the store.
  await start({ telemetry: false, env, config: { ...config, budgets: [{ per: "month", calls: 1_000 }] } });
  await start({ telemetry: false, env, config });
  const body = JSON.stringify({ model: ${JSON.stringify(MODEL)}, messages: [{ role: "user", content: "Hi" }] });
  async function call() {
    const response = await fetch(${JSON.stringify(url)} + "/v1/chat/completions", { method: "POST", body });
    await response.text();
    return response.status === 200 ? 1 : 0;
  }
  export async function spend(calls) {
    const passed = await Promise.all(Array.from({ length: calls }, call));
    return passed.reduce((sum, one) => sum + one, 0);
  }
  parentPort?.on("message", async (calls) => parentPort.postMessage(await spend(calls)));
  parentPort?.postMessage("ready");
`;

/** Runs a process with three threads that spend, and whose main thread does too where it is guarded. */
async function runProcess(cap: number, guarded: boolean): Promise<{ passed: number; visits: number }> {
  server.play(answer(100, 100));
  const source = thread(server.url, cap);
  const program = `
    import { Worker } from "node:worker_threads";
    import { once } from "node:events";
    const source = ${JSON.stringify(source)};
    const url = new URL("data:text/javascript," + encodeURIComponent(source));
    const own = ${guarded} ? await import(url) : undefined;
    let passed = own ? await own.spend(2) : 0;
    const workers = [];
    for (let index = 0; index < 3; index++) workers.push(new Worker(source, { eval: true, execArgv: ["--no-warnings", "--input-type=module"] }));
    await Promise.all(workers.map((worker) => once(worker, "message")));
    for (let round = 0; round < 3; round++) {
      const all = [own?.spend(${cap}) ?? 0, ...workers.map(async (worker) => {
        worker.postMessage(${cap});
        return (await once(worker, "message"))[0];
      })];
      for (const one of await Promise.all(all)) passed += one;
    }
    console.log(passed);
    process.exit();
  `;
  const child = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const before = server.visits.length;
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { passed: Number(line), visits: server.visits.length - before };
}

describe("the threads of a process", () => {
  test.each([true, false])("share its memory budgets to the call; the main thread is guarded: %s", async (guarded) => {
    expect(await runProcess(20, guarded)).toEqual({ passed: 20, visits: 20 });
  });
});
