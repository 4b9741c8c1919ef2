import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { command } from "../../src/cli/commands/monitors.ts";
import { readAssets } from "../../src/datadog/assets.ts";
import { PACKAGE_ROOT } from "../../src/package/root.ts";
import type { Scenario } from "../../src/sandbox/scenario.ts";

const FOLDER = join(PACKAGE_ROOT, "scenarios");
const KINDS = ["blip", "fire", "flap", "job end", "no data", "recover", "stay quiet"];
const own = mkdtempSync(join(tmpdir(), "spendfuse-scenarios-"));
afterAll(() => rmSync(own, { recursive: true }));

let said = "";
async function run(...args: string[]): Promise<number> {
  said = "";
  const take = (text: unknown): void => {
    said += `${text}\n`;
  };
  const spies = [
    vi.spyOn(console, "log").mockImplementation(take),
    vi.spyOn(console, "error").mockImplementation(take),
  ];
  const code = await command.run(args);
  for (const spy of spies) spy.mockRestore();
  return code;
}

function writeOwn(name: string, monitor: object, scenarios: readonly Partial<Scenario>[]): string {
  mkdirSync(join(own, "monitors"), { recursive: true });
  writeFileSync(join(own, "monitors", `${name}.json`), JSON.stringify(monitor));
  const file = join(own, `${name}.scenarios.json`);
  writeFileSync(file, JSON.stringify({ monitor: name, scenarios }));
  return file;
}

describe("spendfuse monitors test", () => {
  test("every shipped monitor does what its scenarios say", async () => {
    const code = await run("test");
    process.stdout.write(said);
    expect(code, said).toBe(0);
    const names = readAssets().flatMap(({ kind, name }) => (kind === "monitor" ? [name] : []));
    for (const name of names) expect(said).toMatch(new RegExp(`✓ ${name} +(\\d+) of \\1`));
    expect(said).toMatch(/\n(\d+) of \1 scenarios/);
    expect(said).not.toContain("without a scenario");
  });

  test("every shipped monitor has scenarios of every kind, and those that enforce tell the webhook", () => {
    const names = readAssets().flatMap(({ kind, name }) => (kind === "monitor" ? [`${name}.json`] : []));
    expect(readdirSync(FOLDER).sort()).toEqual(names.sort());
    for (const name of names) {
      const { scenarios } = JSON.parse(readFileSync(join(FOLDER, name), "utf8")) as { scenarios: Scenario[] };
      expect([...new Set(scenarios.map(({ kind }) => kind))].sort(), name).toEqual(KINDS);
      const { tags } = JSON.parse(readFileSync(join(PACKAGE_ROOT, "monitors", name), "utf8")) as { tags: string[] };
      const all = scenarios.flatMap((scenario) => scenario.expect);
      expect(
        all.filter(({ transition }) => transition === "Recovered").map(({ told }) => told),
        name,
      ).toContain(true);
      for (const { kind, expect: quiet } of scenarios)
        if (kind === "blip" || kind === "job end") expect(quiet, `${name}, ${kind}`).toEqual([]);
      const told = scenarios.some(({ expect: some }) => some.some(({ webhooks }) => webhooks?.includes("spendfuse")));
      expect(told, name).toBe(tags.includes("breaker:on"));
    }
  });

  const monitor = {
    type: "query alert",
    name: "mine",
    query: "sum(last_5m):sum:my.metric{*} by {who}.as_count() > 5",
    message: "{{#is_alert}}@webhook-mine {{/is_alert}}",
    options: { new_group_delay: 0 },
  };
  const feed = [{ metric: "my.metric", type: "count", tags: { who: "me" }, until: "1m", total: 6 }] as const;

  test("a user's own monitor, right and wrong", async () => {
    const good = {
      name: "fires",
      feed,
      until: "10m",
      expect: [
        { at: "1m..2m", group: "who:me", transition: "Triggered", webhooks: ["mine"] },
        { at: "6m", group: "who:me", transition: "Recovered" },
      ],
    };
    const file = writeOwn("mine", monitor, [good]);
    expect(await run("test", file, "--monitors", own), said).toBe(0);
    expect(await run("test", file, "--monitors", join(own, "monitors")), said).toBe(0);
    const wrong = { ...good, name: "is wrong", expect: [{ at: "3m", group: "who:me", transition: "Triggered" }] };
    expect(await run("test", writeOwn("mine", monitor, [good, wrong]), "--monitors", own)).toBe(1);
    expect(said).toContain("✗ mine");
    expect(said).toContain("missing: 3m who:me Triggered");
    expect(said).toContain("not expected: 1m who:me Triggered, webhook mine");
    expect(said).toContain("1 of 2 scenarios");
  });

  test("what cannot be evaluated is a fault that names it", async () => {
    const forecast = { ...monitor, query: "max(last_1d):forecast(sum:my.metric{*}, 'linear', 1) > 5" };
    const quiet = { name: "quiet", feed, until: "30m", expect: [] };
    expect(await run("test", writeOwn("forecast", forecast, [quiet]), "--monitors", own)).toBe(1);
    expect(said).toContain("the sandbox does not evaluate forecast()");
  });

  test.each([
    ["no such verb", ["tset"], /unknown subcommand "monitors tset"/],
    ["nothing", [], /a subcommand is missing/],
    ["an unknown option", ["test", "--all"], /--all/],
    ["no such file", ["test", "nowhere.json"], /nowhere\.json/],
    ["no such folder", ["test", "--scenarios", "nowhere"], /there is no folder nowhere/],
    ["no monitors", ["test", "--monitors", "src"], /there are no monitors in src/],
  ])("%s is said", async (_, args, message) => {
    expect(await run(...args)).toBe(2);
    expect(said).toMatch(message);
  });

  test.each([
    ["a time that is none", { until: "1x" }, /"until" is no time/],
    ["a feed without a value", { feed: [{ metric: "my.metric", type: "count", until: "1m" }] }, /"value" or "total"/],
    ["an unknown metric", { feed: [{ metric: "other", until: "1m", value: 1 }] }, /give its "type"/],
    ["points too close", { feed: [{ ...feed[0], every: "5s" }] }, /multiple of 10s/],
    ["a start that is none", { start: "monday" }, /"start" is no time/],
  ])("%s in a scenario is said", async (_, part, message) => {
    const scenario = { name: "x", feed, until: "10m", expect: [], ...part } as Partial<Scenario>;
    expect(await run("test", writeOwn("mine", monitor, [scenario]), "--monitors", own)).toBe(1);
    expect(said).toMatch(message);
  });
});
