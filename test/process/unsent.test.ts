import { expect, test, vi } from "vitest";
import { createRuntime } from "../../src/process/runtime.ts";

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };

test.each<[env: Readonly<Record<string, string>>, says: string]>([
  [{ ...ENDPOINT, OTEL_METRICS_EXPORTER: "console" }, "OTEL_METRICS_EXPORTER is console, and only otlp"],
  [{ ...ENDPOINT, OTEL_METRICS_EXPORTER: "none" }, "OTEL_METRICS_EXPORTER is none, and only otlp"],
  [{}, "there is no OTEL_EXPORTER_OTLP_ENDPOINT"],
])("%o: the log says why nothing is exported", async (env, says) => {
  const said: string[] = [];
  const runtime = createRuntime((line) => said.push(line));
  try {
    await runtime.start({ env: { ...env, SPENDFUSE_CONFIG: "{}", SPENDFUSE_SUMMARY: "0" } });
    await vi.waitUntil(() => said.some((line) => line.includes("nothing is exported")), { timeout: 120_000 });
  } finally {
    await runtime.stop();
  }
  expect(said.filter((line) => line.includes("nothing is exported"))).toEqual([
    expect.stringContaining(`nothing is exported: ${says}`),
  ]);
});
