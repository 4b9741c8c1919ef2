import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { entryUrl } from "./entries.ts";
import { type OtlpReceiver, startOtlpReceiver } from "./servers/otlp-receiver.ts";

const ROOT = join(import.meta.dirname, "..");
const INDEX = entryUrl("index");
const REGISTER = entryUrl("register");
/** gpt-5: 1,000 input and 100 output tokens. */
const NANO = 2_250_000;

const HEAD = `
import { NodeSDK } from "@opentelemetry/sdk-node";
import { metrics, trace } from "@opentelemetry/api";
import { PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { flush, instrumentation, scope, wrapFetch } from ${JSON.stringify(INDEX)};

const inner = async () => Response.json({
  id: "c1", object: "chat.completion", model: "gpt-5",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 },
});
const fetch = wrapFetch(inner);
const call = () => scope({ agent: "a" }, async () => {
  const body = JSON.stringify({ model: "gpt-5", messages: [{ role: "user", content: "Hi" }] });
  await (await fetch("https://api.openai.com/v1/chat/completions", { method: "POST", body })).json();
});
const start = (instrumentations) => {
  const sdk = new NodeSDK({
    instrumentations,
    metricReaders: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter({ url: process.env.USER_URL + "/v1/metrics" }) })],
    traceExporter: new OTLPTraceExporter({ url: process.env.USER_URL + "/v1/traces" }),
  });
  sdk.start();
  metrics.getMeter("app").createCounter("app.orders").add(3);
  trace.getTracer("app").startSpan("order").end();
  return sdk;
};
`;

/** How the user's SDK and ours meet, and where the metrics of two calls are to arrive. */
const MEETINGS: Record<string, { app: string; register: boolean; user: number; ours: number }> = {
  "started before us, as an instrumentation": {
    app: `const sdk = start([instrumentation]); await call(); await call(); await sdk.shutdown();`,
    register: false,
    user: 2 * NANO,
    ours: 0,
  },
  "started after us, before the first call": {
    app: `const sdk = start([]); await call(); await call(); await sdk.shutdown();`,
    register: true,
    user: 2 * NANO,
    ours: 0,
  },
  "started between two calls, of which the first was sent": {
    app: `await call(); await flush(); const sdk = start([]); await call(); await sdk.shutdown();`,
    register: true,
    user: NANO,
    ours: NANO,
  },
  "never started": { app: `await call(); await call();`, register: true, user: 0, ours: 2 * NANO },
};

let user: OtlpReceiver;
let ours: OtlpReceiver;
let dir: string;

beforeEach(async () => {
  [user, ours] = await Promise.all([startOtlpReceiver(), startOtlpReceiver()]);
  // Below the project, so that its packages resolve.
  dir = mkdtempSync(join(ROOT, "node_modules/.spendfuse-test-"));
});
afterEach(async () => {
  await Promise.all([user.close(), ours.close()]);
  rmSync(dir, { recursive: true, force: true });
});

describe("a NodeSDK of the user's", () => {
  test.each(Object.entries(MEETINGS))("%s", async (_, { app, register, user: toUser, ours: toUs }) => {
    const file = join(dir, "app.mjs");
    writeFileSync(file, HEAD + app);
    const child = spawn(process.execPath, [...(register ? ["--import", REGISTER] : []), file], {
      cwd: dir,
      env: {
        PATH: process.env.PATH ?? "",
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? "",
        USER_URL: user.url,
        SPENDFUSE_STATE_DIR: join(dir, "state"),
        ...(register && { OTEL_EXPORTER_OTLP_ENDPOINT: ours.url }),
      },
    });
    let stderr = "";
    child.stderr.on("data", (data) => {
      stderr += data;
    });
    await new Promise((resolve) => child.on("close", resolve));
    expect(stderr).toBe("");
    await ours.until(() => ours.total("spendfuse.cost") >= toUs);
    expect(user.total("spendfuse.cost", { agent: "a" })).toBe(toUser);
    expect(ours.total("spendfuse.cost", { agent: "a" })).toBe(toUs);
    const spans = (receiver: OtlpReceiver) =>
      receiver.spans.map((span) => span.name).filter((name) => name !== "order");
    const pair = ["chat gpt-5", "invoke_agent a"];
    expect(spans(user).sort()).toEqual([...Array(toUser / NANO)].flatMap(() => pair).sort());
    expect(spans(ours).sort()).toEqual([...Array(toUs / NANO)].flatMap(() => pair).sort());
    if (toUser === 0) return;
    expect(user.points("app.orders").map((point) => point.value)).toEqual([3]);
    expect(user.spans.map((span) => span.name)).toContain("order");
    expect(ours.points("app.orders")).toEqual([]);
    // The call is inside its agent.
    const chat = user.spans.find((span) => span.name === "chat gpt-5");
    expect(user.spans.find((span) => span.spanId === chat?.parentSpanId)?.name).toBe("invoke_agent a");
  });
});
