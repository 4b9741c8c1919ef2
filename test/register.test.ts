import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { HostConfig } from "../src/core/config-types.ts";
import { entryUrl } from "./entries.ts";
import { startNext, untilArrived, withoutSlowExport } from "./package/leftovers.ts";
import { type OtlpReceiver, startOtlpReceiver } from "./servers/otlp-receiver.ts";

/** gpt-5: 1,000 input tokens at $1.25 and 100 output tokens at $10 per million. */
const BODY = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "gpt-5",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 },
});
const NANO = 2_250_000;

const REGISTER = entryUrl("register");
const CALL = `const response = await fetch(process.env.VENDOR + "/v1/chat/completions", {
  method: "POST",
  headers: { "content-type": "application/json", authorization: "Bearer sk-secret-key" },
  body: JSON.stringify({ model: "gpt-5", messages: [{ role: "user", content: "Hi" }] }),
});
console.log((await response.json()).choices[0].message.content);
`;

let vendor: Server;
let vendorUrl: string;
/** Without it the stand-in is a local server, which has no cloud's price. */
let hosts: readonly HostConfig[];
let receiver: OtlpReceiver;
let dir: string;

beforeAll(async () => {
  vendor = createServer((request, response) => {
    request.resume().on("end", () => response.setHeader("content-type", "application/json").end(BODY));
  });
  await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(vendor.address() as AddressInfo).port}`;
  vendorUrl = `http://${host}`;
  hosts = [{ host, provider: "openai" }];
});
afterAll(() => {
  vendor.closeAllConnections();
  vendor.close();
});
beforeEach(async () => {
  receiver = await startOtlpReceiver();
  dir = mkdtempSync(join(tmpdir(), "spendfuse-register-"));
});
afterEach(async () => {
  await receiver.close();
  rmSync(dir, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const environment = () => ({
  PATH: process.env.PATH ?? "",
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? "",
  VENDOR: vendorUrl,
  OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  SPENDFUSE_STATE_DIR: join(dir, "state"),
  SPENDFUSE_AGENT: "app",
  SPENDFUSE_CONFIG: JSON.stringify({ hosts }),
  SPENDFUSE_QUIET: "1",
});

function run(
  app: string,
  options: { metered: boolean; env?: Record<string, string>; kill?: NodeJS.Signals },
): Promise<Ended> {
  const file = join(dir, "app.mjs");
  writeFileSync(file, app);
  const env = { ...environment(), ...options.env };
  const child = spawn(process.execPath, [...(options.metered ? ["--import", REGISTER] : []), file], { cwd: dir, env });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data) => {
    stdout += data;
    if (options.kill && stdout.includes("Hello")) child.kill(options.kill);
  });
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  return new Promise((resolve) =>
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr: withoutSlowExport(stderr) })),
  );
}

/** Waits for the calls; what an app left when it ended is sent by the next one, which calls nothing. */
function arrived(calls = 1): Promise<void> {
  const hasArrived = () => receiver.total("spendfuse.calls") >= calls;
  return untilArrived(join(dir, "state"), hasArrived, () => startNext(environment()));
}

const ENDS: Record<string, { app: string; kill?: NodeJS.Signals }> = {
  natural: { app: CALL },
  "process.exit right after the response": { app: `${CALL}process.exit(3);` },
  "uncaught error": { app: `${CALL}throw new Error("boom");` },
  SIGTERM: { app: `${CALL}setInterval(() => {}, 1000);`, kill: "SIGTERM" },
  SIGINT: { app: `${CALL}setInterval(() => {}, 1000);`, kill: "SIGINT" },
};

describe("an app that has never heard of us, with --import spendfuse/register", () => {
  test.each(Object.entries(ENDS))(
    "%s: ends as without us, and the call arrives once, with its cost",
    async (_, end) => {
      const bare = await run(end.app, { metered: false, ...(end.kill && { kill: end.kill }) });
      const metered = await run(end.app, { metered: true, ...(end.kill && { kill: end.kill }) });
      expect(metered).toEqual(bare);
      await arrived();
      expect(receiver.total("spendfuse.calls")).toBe(1);
      expect(receiver.total("spendfuse.cost", { agent: "app", root_agent: "app", model: "gpt-5" })).toBe(NANO);
      expect(receiver.total("spendfuse.tokens")).toBe(1_100);
      const tags = JSON.stringify(receiver.points().map((point) => point.tags));
      expect(tags).not.toContain("secret");
    },
  );

  test("without an endpoint one line says that nothing is sent, before the table of agents", async () => {
    const { stderr, stdout } = await run(CALL, {
      metered: true,
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: "", SPENDFUSE_CONFIG: "" },
    });
    expect(stdout).toBe("Hello\n");
    const [first, second, ...table] = stderr.trim().split("\n");
    expect(first).toContain("OTEL_EXPORTER_OTLP_ENDPOINT");
    expect(second).toContain("in 1 call by 1 agent");
    expect(table).toHaveLength(2);
  });

  test("a wrong config file is said, and the app runs and is metered all the same", async () => {
    writeFileSync(join(dir, "spendfuse.config.json"), '{ "team": 7 }');
    const { stderr, stdout } = await run(CALL, { metered: true, env: { SPENDFUSE_CONFIG: "" } });
    expect(stdout).toBe("Hello\n");
    expect(stderr).toContain("config ignored");
    expect(stderr).toContain("team must be a text");
    await arrived();
    expect(receiver.total("spendfuse.tokens")).toBe(1_100);
  });

  test("start() before the first call replaces what register began with", async () => {
    const index = entryUrl("index");
    const app = `import { start } from ${JSON.stringify(index)};\nawait start({ config: ${JSON.stringify({ agent: "other", hosts })} });\n${CALL}`;
    const { stderr } = await run(app, { metered: true, env: { SPENDFUSE_AGENT: "" } });
    expect(stderr).toBe("");
    await arrived();
    expect(receiver.total("spendfuse.cost", { agent: "other" })).toBe(NANO);
  });

  test("two processes with equal tags in the same second are both counted", async () => {
    await Promise.all([run(CALL, { metered: true }), run(CALL, { metered: true })]);
    await arrived(2);
    expect(receiver.total("spendfuse.cost")).toBe(2 * NANO);
  });
});
