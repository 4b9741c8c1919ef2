import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../../../package/processes.ts";
import * as wire from "../../../servers/formats.ts";
import { type ModelServer, startModelServer } from "../../../servers/model-server.ts";
import { type OtlpReceiver, type OtlpSpan, startOtlpReceiver } from "../../../servers/otlp-receiver.ts";

/** Spans of the calls that programs make: below the agent's that started them, and in its sums. */
const fixture = (name: string): string => fileURLToPath(new URL(`../../../fixtures/${name}`, import.meta.url));

let vendor: ModelServer;
let receiver: OtlpReceiver;
let folder: string;
let program: string;

beforeAll(async () => {
  [vendor, receiver] = await Promise.all([startModelServer(), startOtlpReceiver()]);
  folder = mkdtempSync(join(tmpdir(), "spendfuse-programs-"));
  program = join(folder, "claude");
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "$@"\n`);
  chmodSync(program, 0o755);
  const usage = { input_tokens: 1000, output_tokens: 100 };
  vendor.play(wire.whole(wire.anthropicMessage({ id: "m", model: "claude-sonnet-4-6" }, [], "end_turn", usage)));
});
afterAll(async () => {
  await Promise.all([vendor.close(), receiver.close()]);
  rmSync(folder, { recursive: true, force: true });
});

async function spansOf(way: string, more: object): Promise<readonly OtlpSpan[]> {
  const before = receiver.spans.length;
  const env = {
    VENDOR: vendor.url,
    HOST: vendor.host,
    SPENDFUSE_CONFIG: "{}",
    SPENDFUSE_QUIET: "1",
    SPENDFUSE_STATE_DIR: mkdtempSync(join(folder, "state-")),
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    MORE: JSON.stringify({ telemetry: true, ...more }),
  };
  const args = [fixture("program-parent.ts"), way, program, fixture("program-child.mjs")];
  await run(process.execPath, args, { cwd: folder, env });
  const written = (): readonly OtlpSpan[] => receiver.spans.slice(before);
  await receiver.until(() => written().some(({ name }) => name === "invoke_agent planner"));
  return written();
}

const named = (spans: readonly OtlpSpan[], name: string): OtlpSpan =>
  spans.find((span) => span.name === name) as OtlpSpan;

test.each(["spawn", "spawnSync", "execFile"])(
  "%s: a call's span is below its agent's, with its cost and time",
  async (way) => {
    const spans = await spansOf(way, {});
    const [agent, call] = [named(spans, "invoke_agent flights"), named(spans, "chat claude-sonnet-4-6")];
    expect(spans.filter(({ name }) => name.startsWith("chat"))).toHaveLength(1);
    expect(call).toMatchObject({ parentSpanId: agent.spanId, traceId: agent.traceId });
    expect(call.attributes).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "anthropic",
      "gen_ai.agent.name": "flights",
      "gen_ai.usage.input_tokens": "1000",
      "gen_ai.usage.cost.amount": "0.0045",
      "spendfuse.quality": "reported",
    });
    const [began, ended] = [call.startTimeUnixNano, call.endTimeUnixNano].map(BigInt) as [bigint, bigint];
    expect(ended).toBeGreaterThan(began);
    expect(began).toBeGreaterThanOrEqual(BigInt(agent.startTimeUnixNano));
    for (const name of ["invoke_agent flights", "invoke_agent planner"]) {
      expect(named(spans, name).attributes).toMatchObject({
        "gen_ai.usage.input_tokens": "1000",
        "gen_ai.usage.cost.amount": "0.0045",
      });
    }
  },
);

test("a refused call has a span as those of the app itself have", async () => {
  const spans = await spansOf("spawn", { budgets: [{ scope: { agent: "*" }, per: "hour", calls: 0 }] });
  expect(named(spans, "chat claude-sonnet-4-6").attributes).toMatchObject({
    "spendfuse.ending": "blocked",
    "gen_ai.agent.name": "flights",
  });
});
