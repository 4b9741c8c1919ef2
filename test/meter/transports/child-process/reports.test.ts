import { describe, expect, test } from "vitest";
import type { ProgramReport } from "../../../../src/meter/call/started-program.ts";
import { createReportReader } from "../../../../src/meter/transports/child-process/reports.ts";

const CLAUDE = {
  type: "result",
  subtype: "success",
  result: "one\ntwo",
  total_cost_usd: 0.25,
  usage: { input_tokens: 1 },
  modelUsage: {
    "claude-sonnet-4-6": {
      inputTokens: 100,
      outputTokens: 50,
      thinkingTokens: 20,
      cacheReadInputTokens: 30,
      cacheCreationInputTokens: 10,
      cacheCreationEphemeral1hInputTokens: 4,
      webSearchRequests: 2,
      costUSD: 0.2,
    },
    "claude-haiku-4-5": { inputTokens: 5, outputTokens: 6, costUSD: 0.05 },
  },
};
const CODEX = {
  type: "turn.completed",
  usage: {
    input_tokens: 1000,
    cached_input_tokens: 400,
    cache_write_input_tokens: 7,
    output_tokens: 50,
    reasoning_output_tokens: 20,
  },
};

function read(...chunks: readonly (string | Uint8Array)[]): ProgramReport[] {
  const found: ProgramReport[] = [];
  const see = createReportReader((report) => found.push(report));
  for (const chunk of chunks) see(Buffer.from(chunk as string));
  return found;
}

const line = (event: object): string => `${JSON.stringify(event)}\n`;

describe("a report", () => {
  test("of Claude Code is its total, and each model's", () => {
    expect(read(line(CLAUDE))).toEqual([
      {
        provider: "anthropic",
        format: "anthropic-messages",
        usd: 0.25,
        models: [
          {
            model: "claude-sonnet-4-6",
            usd: 0.2,
            usage: expect.objectContaining({
              input: 140,
              output: 50,
              cacheRead: 30,
              cacheWrite: 10,
              cacheWrite1h: 4,
              reasoning: 20,
              webSearches: 2,
            }),
          },
          { model: "claude-haiku-4-5", usd: 0.05, usage: expect.objectContaining({ input: 5, output: 6 }) },
        ],
      },
    ]);
  });

  test("of Codex is tokens", () => {
    const usage = { input: 1000, output: 50, cacheRead: 400, cacheWrite: 7, reasoning: 20 };
    expect(read(line(CODEX))).toMatchObject([
      { provider: "openai", usd: undefined, models: [{ model: undefined, usd: undefined, usage }] },
    ]);
  });

  test("is found in each cut of its bytes", () => {
    const bytes = Buffer.from(`${line({ type: "system" })}${line(CLAUDE)}text\n${line(CODEX)}`);
    for (let at = 0; at < bytes.length; at += 7) {
      expect(read(bytes.subarray(0, at), bytes.subarray(at)), `cut at ${at}`).toHaveLength(2);
    }
  });

  test("is found without a line break at the end", () => {
    expect(read(JSON.stringify(CLAUDE), new Uint8Array(0))).toHaveLength(1);
  });

  test.each([
    ["text that speaks of it", '"total_cost_usd": 5\n'],
    ["JSON that is cut", '{"type":"result","total_cost_usd":\n'],
    ["a message that quotes it", line({ type: "assistant", message: JSON.stringify(CLAUDE) })],
    ["a cost that is no number", line({ ...CLAUDE, total_cost_usd: "5" })],
    ["a negative cost", line({ ...CLAUDE, total_cost_usd: -1 })],
    ["a turn without usage", line({ type: "turn.completed" })],
    ["a turn that used nothing", line({ type: "turn.completed", usage: {} })],
    ["a list", "[1]\n"],
    ["no text", Buffer.from([0xff, 10, 0x7b, 0xff, 10])],
  ])("is not read in %s", (_name, text) => {
    expect(read(text)).toEqual([]);
  });

  test("is not looked for in a line of more than 16 MiB, which is not kept, and in the next one again", () => {
    const found: ProgramReport[] = [];
    const see = createReportReader((report) => found.push(report));
    const chunk = Buffer.alloc(1024 * 1024, "x");
    see(Buffer.from('{"a":"'));
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 200; count++) see(chunk);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
    see(Buffer.from(`\n${line(CODEX)}`));
    expect(found).toHaveLength(1);
  });
});
