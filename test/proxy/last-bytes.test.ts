import type { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { createRuntime, type Runtime } from "../../src/process/runtime.ts";
import { createCarrier } from "../../src/proxy/carrier.ts";
import * as wire from "../servers/formats.ts";
import { type ModelServer, type Script, startModelServer } from "../servers/model-server.ts";

let vendor: ModelServer;
let runtime: Runtime;
const carrier = createCarrier(() => undefined);
const settled: SettledCall[] = [];
beforeAll(async () => {
  vendor = await startModelServer();
});
afterAll(async () => {
  carrier.close();
  await vendor.close();
});
afterEach(async () => {
  await runtime.stop();
  settled.length = 0;
});

const USAGE = { input_tokens: 1000, output_tokens: 100 };
const MESSAGE = JSON.stringify(wire.anthropicMessage({ id: "m", model: "claude-sonnet-4-6" }, [], "end_turn", USAGE));
const JSON_TYPE = { "content-type": "application/json" };

/** The body of a metered call over the carrier, once all that the vendor sends is there. */
async function callOver(script: Script): Promise<Readable> {
  runtime = createRuntime(() => {});
  const before = globalThis.fetch;
  const hosts = [{ host: vendor.host, like: "api.anthropic.com" }];
  await runtime.start({ telemetry: false, env: { SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1" }, config: { hosts } });
  globalThis.fetch = before;
  runtime.listeners.add((call) => settled.push(call));
  vendor.play(script);
  const body = JSON.stringify({
    model: "claude-sonnet-4-6",
    max_tokens: 9,
    messages: [{ role: "user", content: "Hi" }],
  });
  const answer = await runtime.wrapFetch(carrier.fetch)(`${vendor.url}/v1/messages`, {
    method: "POST",
    headers: JSON_TYPE,
    body: body as never,
  });
  return answer.body as unknown as Readable;
}

const LENGTH = { ...JSON_TYPE, "content-length": String(Buffer.byteLength(MESSAGE)) };

test.each([
  ["with a length", { headers: LENGTH, steps: [MESSAGE] }],
  ["in chunks", { headers: JSON_TYPE, steps: [MESSAGE.slice(0, 40), { pause: 5 }, MESSAGE.slice(40)] }],
] satisfies [string, Script][])(
  "the last bytes of an answer %s do not wait for its call to settle",
  async (_name, script) => {
    const body = await callOver(script);
    let text = "";
    body.on("data", (chunk: Buffer) => {
      text += chunk;
      expect(settled).toEqual([]);
    });
    const before = await new Promise((resolve) => body.once("end", () => resolve(settled.length)));
    expect([text, before]).toEqual([MESSAGE, 0]);
    await new Promise(setImmediate);
    expect(settled).toMatchObject([{ ending: "completed", usage: { input: 1000, output: 100 } }]);
  },
);

test("an answer that is there and not read is completed, once", async () => {
  const body = await callOver({ headers: LENGTH, steps: [MESSAGE] });
  body.destroy();
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  expect(settled).toMatchObject([{ ending: "completed", usage: { input: 1000, output: 100 } }]);
});

test("an answer that is cut is not completed", async () => {
  const body = await callOver({ headers: LENGTH, steps: [MESSAGE.slice(0, 40), { pause: 5 }, "cut"] });
  body.on("error", () => {}).resume();
  await new Promise((resolve) => body.once("close", resolve));
  await new Promise(setImmediate);
  expect(settled).toMatchObject([{ ending: "failed" }]);
});
