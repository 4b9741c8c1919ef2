import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { command } from "../../../src/cli/commands/prices.ts";
import { type MeteredRow, meteredKey, meteredSums, NOTHING_METERED } from "../../../src/core/metered.ts";
import { openFile } from "../../../src/stores/file/store.ts";

const folder = mkdtempSync(join(tmpdir(), "spendfuse-prices-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const before = { ...process.env };
const home = process.cwd();
let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(folder, "app-"));
  process.chdir(cwd);
  for (const name of Object.keys(process.env)) if (/^(DD|OTEL|SPENDFUSE)_/.test(name)) delete process.env[name];
});
afterEach(() => {
  process.chdir(home);
  process.env = { ...before };
  vi.restoreAllMocks();
});

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out = vi.spyOn(console, "log").mockImplementation(() => {});
  const err = vi.spyOn(console, "error").mockImplementation(() => {});
  const code = await command.run(args);
  const text = ({ mock }: typeof out) =>
    mock.calls
      .map(
        ([line]) => `${line}
`,
      )
      .join("");
  const said = { code, out: text(out), err: text(err) };
  vi.restoreAllMocks();
  return said;
}

/** One line of the output, with its blanks as one. */
const lines = (out: string): readonly string[] => out.split("\n").map((line) => line.trim().replace(/\s+/g, " "));

describe("spendfuse prices MODEL", () => {
  test("shows the row, its source, each rate, and what it lacks", async () => {
    const { code, out } = await run("claude-sonnet-4-6", "--provider", "gcp.vertex_ai", "--at", "2026-11-01");
    expect(code).toBe(0);
    const shown = lines(out);
    expect(shown[0]).toBe("claude-sonnet-4-6 at gcp.vertex_ai, 2026-11-01");
    expect(shown).toContain("row claude-sonnet-4-6");
    expect(shown.find((line) => line.startsWith("source"))).toMatch(
      /^source @pydantic\/genai-prices \d+\.\d+\.\d+, https:/,
    );
    expect(shown).toContain("input 3 million tokens");
    expect(shown).toContain("cache read 0.3 million tokens");
    expect(shown.find((line) => line.startsWith("cache write, 1 hour"))).toMatch(
      /^cache write, 1 hour 6 .* 2 × input: /,
    );
    expect(shown.find((line) => line.startsWith("web search"))).toMatch(/^web search 10 thousand .*\[inferred\]$/);
    expect(shown.find((line) => line.startsWith("lacks"))).toMatch(/^lacks input_audio, .*maps_grounding/);
  });

  test("shows every band of a dated row", async () => {
    const { out } = await run("claude-haiku-5-5", "--provider", "anthropic");
    expect(lines(out)).toContain("valid from 2026-10-07");
    expect(lines(out)).toContain("input, over 100,000 input tokens 0.5 million tokens");
  });

  test("applies the terms of a tier", async () => {
    const { out } = await run("gpt-5", "--provider", "openai", "--tier", "batch");
    expect(lines(out)).toContain("terms 0.5 × the list price");
    expect(lines(out)).toContain("input 0.625 million tokens");
  });

  test("shows every vendor that has the model", async () => {
    const { out } = await run("claude-sonnet-4-6");
    const vendors = lines(out).flatMap((line) => /^claude-sonnet-4-6 at ([a-z._]+),/.exec(line)?.[1] ?? []);
    expect(vendors).toEqual(expect.arrayContaining(["anthropic", "azure.ai.inference", "gcp.vertex_ai"]));
    expect(vendors).not.toContain("openai");
  });

  test("says that a price is that of a similar name", async () => {
    const { out } = await run("gpt-5.1-mini", "--provider", "openai");
    expect(lines(out)).toContain("row gpt-5.1-codex-mini, a similar name: the price is inexact");
  });

  test("prefers the user's own row, and names it", async () => {
    const prices = [{ model: "gpt-5", inputPerMTok: 7, outputPerMTok: 8 }];
    writeFileSync(join(cwd, "spendfuse.config.json"), JSON.stringify({ prices }));
    const { out } = await run("gpt-5", "--provider", "openai");
    expect(lines(out)).toEqual(expect.arrayContaining(["source config", "input 7 million tokens"]));
  });

  test("prints JSON", async () => {
    const { out } = await run("gemini-2.5-flash", "--provider", "gcp.gemini", "--json");
    const [shown] = JSON.parse(out);
    expect(shown).toMatchObject({ provider: "gcp.gemini", row: "gemini-2.5-flash", exact: true });
    expect(shown.bands[0].usdPerMTok).toContainEqual({ kind: "audio input", usd: 1 });
    expect(shown.usdPerThousand).toContainEqual(expect.objectContaining({ part: "web_search", usd: 35 }));
    expect(shown.lacks).toContain("output_image");
  });

  test.each<[string[], number, RegExp]>([
    [["no-such-model"], 1, /no-such-model has no known price at any vendor: .*"prices": \[\{ "model": "no-such-model"/],
    [
      ["gpt-5", "--provider", "openai", "--tier", "ultrafast"],
      1,
      /gpt-5 has no known price at openai at tier ultrafast/,
    ],
    [["gpt-5", "--provider", "opnai"], 2, /there is no vendor "opnai"; did you mean "openai"\?/],
    [["gpt-5", "--at", "yesterday"], 2, /--at must be a day such as 2026-11-01, not "yesterday"/],
    [[], 2, /name a model, such as gpt-5, or use --check/],
    [["gpt-5", "gpt-4"], 2, /one model at a time/],
    [["gpt-5", "--check"], 2, /--check takes no model/],
    [["gpt-5", "--from", "2026-11-01"], 2, /--from needs --check/],
    [["--check"], 2, /what was metered is not known here: set SPENDFUSE_STORE/],
  ])("%j ends with %d", async (args, code, says) => {
    const ended = await run(...args);
    expect([ended.code, ended.err]).toEqual([code, expect.stringMatching(says)]);
  });
});

describe("spendfuse prices --check", () => {
  const today = Date.now() - (Date.now() % 86_400_000);
  const row: MeteredRow = {
    ...NOTHING_METERED,
    ...{ day: today, provider: "openai", model: "gpt-5", tier: "", key: "", agent: "a", rootAgent: "a", team: "" },
    ...{ project: "", quality: "reported", priced: "true", calls: 2, output: 1_500 },
  };

  async function meter(...rows: readonly Partial<MeteredRow>[]): Promise<void> {
    process.env.SPENDFUSE_STORE = `file:${cwd}/spend.db`;
    const store = await openFile(`${cwd}/spend.db`);
    const all = rows.map((one) => ({ ...row, ...one }));
    await store.putMetered(
      "p",
      all.map((one) => ({ day: one.day, key: meteredKey(one), sums: meteredSums(one) })),
    );
    await store.close();
  }

  test("lists the models without a price, those with a part of it, and what is known now", async () => {
    await meter(
      {},
      { model: "gpt-next", priced: "false" },
      { model: "gpt-next", priced: "false", agent: "b" },
      { model: "gemini-3.5-flash", provider: "gcp.gemini", priced: "partial" },
      { model: "gpt-4o", priced: "false" },
      { model: "gpt-5", priced: "none" },
    );
    const { code, out } = await run("--check");
    expect(code).toBe(1);
    expect(lines(out).slice(3)).toEqual([
      expect.stringMatching(/^openai gpt-next false 4 3,000 no price: add a row for it to "prices"$/),
      expect.stringMatching(/^openai gpt-4o false 2 1,500 has a price$/),
      expect.stringMatching(/^gcp\.gemini gemini-3\.5-flash partial 2 1,500 lacks input_audio, .*maps_grounding$/),
      "",
    ]);
  });

  test("looks at one vendor, and at days that are asked for", async () => {
    await meter({ model: "gpt-next", priced: "false", day: today - 60 * 86_400_000 });
    expect(await run("--check")).toMatchObject({ code: 0, out: expect.stringMatching(/^nothing was metered/) });
    const since = new Date(today - 70 * 86_400_000).toISOString().slice(0, 10);
    expect((await run("--check", "--from", since)).code).toBe(1);
    expect((await run("--check", "--from", since, "--provider", "groq")).code).toBe(0);
  });

  test("says when every model has a price", async () => {
    await meter({});
    const { code, out } = await run("--check");
    expect([code, out]).toEqual([0, expect.stringMatching(/^every model that was metered from .* has a price\n$/)]);
  });

  test("prints JSON", async () => {
    await meter({ model: "gpt-next", priced: "false" });
    const { out } = await run("--check", "--json");
    expect(JSON.parse(out)).toEqual([
      { provider: "openai", model: "gpt-next", tier: "", priced: "false", calls: 2, tokens: 1_500 },
    ]);
  });
});
