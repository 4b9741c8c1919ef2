import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { entryUrl } from "../../../entries.ts";
import { CHAT_PATH } from "../../../fixtures/around-fetch.ts";
import { newStateDir, removeStateDirs } from "../../../fixtures/exporting.ts";
import { startNext, untilArrived, withoutSlowExport } from "../../../package/leftovers.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../../../servers/otlp-receiver.ts";
import { startTransportServer, type TransportServer } from "../../../servers/transport-server.ts";

const REGISTER = entryUrl("register");
const UNMETERED = "spendfuse.unmetered_calls";

/** An app that has never heard of us: posts over node:http as axios does, the very first thing. */
const POST = `import { request } from "node:http";
const post = (url) => new Promise((resolve, reject) => {
  const sent = request(url, { method: "POST" }, (response) => response.resume().on("end", resolve));
  sent.on("error", reject);
  sent.end(JSON.stringify({ model: "gpt-5", messages: [] }));
});
`;

let vendor: TransportServer;
let receiver: OtlpReceiver;

beforeAll(async () => {
  vendor = await startTransportServer("http");
});
beforeEach(async () => {
  receiver = await startOtlpReceiver();
});
afterEach(() => receiver.close());
afterAll(async () => {
  await vendor.close();
  removeStateDirs();
});

/** Runs an app with our register and nothing else; resolves with what it says on stderr, when everything has arrived. */
async function run(app: string, hasArrived: () => boolean): Promise<string> {
  const dir = newStateDir();
  const file = join(dir, "app.mjs");
  writeFileSync(file, app);
  const env = {
    PATH: process.env.PATH ?? "",
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? "",
    VENDOR: vendor.url,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    SPENDFUSE_STATE_DIR: join(dir, "state"),
    SPENDFUSE_CONFIG: JSON.stringify({ transportsOff: ["node-http"] }),
  };
  const child = spawn(process.execPath, ["--import", REGISTER, file], { cwd: dir, env });
  let stderr = "";
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  await once(child, "close");
  await untilArrived(env.SPENDFUSE_STATE_DIR, hasArrived, () => startNext(env));
  return withoutSlowExport(stderr.replace(/^spendfuse: guard: off.*\n/gm, ""));
}

test("a process that never called a model by fetch exports what went around it, by host, and says so once", async () => {
  const said = await run(
    `${POST}for (let i = 0; i < 3; i++) await post(process.env.VENDOR + "${CHAT_PATH}");`,
    () => receiver.total(UNMETERED) > 0,
  );
  expect(receiver.points(UNMETERED)).toMatchObject([
    { kind: "sum", unit: "{call}", tags: { api_host: vendor.host, process: expect.any(String) }, value: 3 },
  ]);
  expect(receiver.total("spendfuse.calls")).toBe(0);
  expect(said.trim().split("\n")).toHaveLength(1);
  expect(said).toContain(vendor.host);
});

test("what is no model call is neither counted nor said", async () => {
  const said = await run(`${POST}await post(process.env.VENDOR + "/orders");`, () => true);
  expect(said).toBe("");
  expect(receiver.points(UNMETERED)).toEqual([]);
});

test("what ends with the process is not lost", async () => {
  const hasArrived = () => receiver.total(UNMETERED, { api_host: vendor.host }) > 0;
  await run(`${POST}await post(process.env.VENDOR + "${CHAT_PATH}"); process.exit(1);`, hasArrived);
  expect(receiver.total(UNMETERED)).toBe(1);
});
