import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { entryUrl } from "../../entries.ts";
import { startOtlpReceiver } from "../../servers/otlp-receiver.ts";

/** gpt-5: 1,000 input tokens at $1.25 and 100 output tokens at $10 per million. */
const BODY = JSON.stringify({
  ...{ id: "chatcmpl-1", object: "chat.completion", model: "gpt-5" },
  choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 },
});
const TABLE = [
  "spendfuse: cost $0.0067 in 3 calls by 2 agents in T",
  "agent       calls  input  output     cost  figures",
  "researcher      2  2,000     200  $0.0045  reported",
  "writer          1  1,000     100  $0.0022  reported",
  "total           3  3,000     300  $0.0067  reported",
];

const source = (path: "index" | "register"): string => entryUrl(path);
const APP = `import { scope } from ${JSON.stringify(source("index"))};
const call = () => fetch(process.env.VENDOR + "/v1/chat/completions", {
  method: "POST",
  headers: { "content-type": "application/json", authorization: "Bearer sk-secret-key" },
  body: JSON.stringify({ model: "gpt-5", messages: [{ role: "user", content: "Hi" }] }),
}).then((response) => response.json());
await scope({ agent: "researcher" }, async () => { await call(); await call(); });
await scope({ agent: "writer" }, call);
`;

let vendor: Server;
let host: string;
const dir = mkdtempSync(join(tmpdir(), "spendfuse-summary-"));

beforeAll(async () => {
  vendor = createServer((request, response) => {
    request.resume().on("end", () => response.setHeader("content-type", "application/json").end(BODY));
  });
  await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(vendor.address() as AddressInfo).port}`;
});
afterAll(() => {
  vendor.closeAllConnections();
  vendor.close();
  rmSync(dir, { recursive: true, force: true });
});

/** What an app that makes three calls, and then ends by `last`, prints on stderr. */
async function stderrOf(last: string, env: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  const file = join(dir, "app.mjs");
  writeFileSync(file, APP + last);
  const { PATH = "", NODE_COMPILE_CACHE = "" } = process.env;
  const config = JSON.stringify({ hosts: [{ host, provider: "openai" }] });
  const child = spawn(process.execPath, ["--import", source("register"), file], {
    env: {
      ...{ PATH, NODE_COMPILE_CACHE, VENDOR: `http://${host}` },
      ...{ SPENDFUSE_CONFIG: config, SPENDFUSE_QUIET: "1", SPENDFUSE_STATE_DIR: join(dir, "state") },
      ...env,
    },
  });
  let text = "";
  child.stderr.on("data", (data) => {
    text += data;
  });
  await new Promise((resolve) => child.on("close", resolve));
  return text
    .trimEnd()
    .replace(/ in [\d.]+ s$/m, " in T")
    .split("\n");
}

test.each([
  ["its event loop is empty", ""],
  ["process.exit()", "process.exit(3);"],
  ["an uncaught error", 'process.on("uncaughtException", () => process.exit(1)); throw new Error("of the app");'],
  ["a signal", 'process.kill(process.pid, "SIGINT"); await new Promise((resolve) => setTimeout(resolve, 60_000));'],
])("a process that ends by %s shows what its agents spent, where nothing exports it", async (_, last) => {
  expect((await stderrOf(last)).slice(-TABLE.length)).toEqual(TABLE);
});

test("switched off, or with metrics that are exported or not wanted, nothing is shown", async () => {
  const receiver = await startOtlpReceiver();
  const quiet: readonly Record<string, string>[] = [
    { SPENDFUSE_SUMMARY: "0" },
    { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url },
    { OTEL_SDK_DISABLED: "true" },
  ];
  const shown = await Promise.all(quiet.map((env) => stderrOf("", env)));
  expect(shown.flat().filter((line) => line.includes("cost"))).toEqual([]);
  await receiver.close();
});

test("asked for, it is shown beside an export", async () => {
  const receiver = await startOtlpReceiver();
  const lines = await stderrOf("", { SPENDFUSE_SUMMARY: "1", OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
  expect(lines.slice(-TABLE.length)).toEqual(TABLE);
  await receiver.close();
});
