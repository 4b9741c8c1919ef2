// @serial: the demo has to be over in 90 seconds, and its sandbox counts by the clock
import { spawn } from "node:child_process";
import { describe, expect, test } from "vitest";
import { entryPath, entryUrl } from "../entries.ts";

const MAIN = entryPath("cli/main");
const AGENTS = ["researcher", "browser", "planner", "├ flights", "├ hotels", "└ budget", "all"];

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly seconds: number;
}

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const began = Date.now();
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, out, err, seconds: (Date.now() - began) / 1000 }));
  });
}

/** The numbers of an agent's row in the table under a title. */
function figures(out: string, title: string, agent: string): number[] {
  const table = out.slice(out.indexOf(title));
  const row = table.split("\n").find((line) => line.startsWith(agent)) ?? "";
  const cells = row.slice(agent.length).trim().split(/\s+/);
  return cells.map((cell) => (cell === "·" ? 0 : Number(cell.replaceAll(/[$,]/g, ""))));
}

// Both wait more than they work.
describe.concurrent("spendfuse demo", () => {
  test("ends by itself within 90 seconds, and every figure is right", { timeout: 100_000 }, async ({ expect }) => {
    // A user's own telemetry stays out of it.
    const { code, out, err, seconds } = await run(["demo"], {
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
      SPENDFUSE_AGENT: "somebody",
    });
    expect(out).not.toContain("✗");
    expect(code).toBe(0);
    const said = err.trim().split("\n");
    // The first refusal of each scope is said.
    const refused = said.flatMap((line) => /^spendfuse: refuses calls of (\S+): /.exec(line)?.[1] ?? []);
    expect(refused).toContain("agent:spender");
    expect(refused).toContain("agent:climber");
    const climbs = said.filter((line) => line.startsWith('spendfuse: budget "climber run"'));
    expect(climbs[0]).toMatch(/of agent:climber is \d+ % spent$/);
    expect(climbs[1]).toMatch(/climber's calls to gpt-5\.5 are sent to gpt-5$/);
    const CLIMBED = out.slice(out.indexOf("WHAT A CAP DOES BEFORE IT STOPS"), out.indexOf("✓ warned"));
    const figure = (row: RegExp) => Number(row.exec(CLIMBED)?.[1]);
    const share = figure(/warned at +(\d+) % of the cap/);
    const [cheap, dear] = [figure(/downgraded +(\d+) calls/), figure(/after (\d+) as they were/)];
    const [left, after] = [figure(/stopped +with \$([\d.]+) left/), figure(/reason; \$([\d.]+) left/)];
    const billed = figure(/after 2 more calls, \$([\d.]+) billed/);
    expect(share).toBeGreaterThanOrEqual(40);
    expect(Math.min(cheap, dear)).toBeGreaterThan(0);
    expect(after).toBeCloseTo(left + 0.02, 5);
    expect(billed).toBeLessThan(0.04);
    const [circuit, root, ...more] = said.filter(
      (line) => !line.startsWith("spendfuse: refuses calls of ") && !climbs.includes(line),
    );
    expect(circuit).toMatch(
      /^spendfuse: circuit of agent:runaway opened until \S+: runaway spent \$\d+\.\d+ in five minutes\. The limit is \$\d+\.\d+\. Datadog monitor "[^"]+" \(\d+\), Triggered: https:/,
    );
    expect(root).toMatch(
      /^spendfuse: circuit of root_agent:runaway opened until \S+: runaway and its sub-agents spent /,
    );
    expect(more).toEqual([]);
    const STOPPED = out.slice(out.indexOf("WHAT SPENDFUSE STOPS"), out.indexOf("HOW ITS OPERATOR ENDS IT"));
    expect(STOPPED).toMatch(
      /^spender +\d+ calls, \$0\.00\d+ billed; the next would pass its \$0\.005 a run: refused$/m,
    );
    expect(STOPPED).toMatch(
      /^runaway +\d+ calls; monitor "Agent spend over limit in 5 minutes", webhook, breaker: refused$/m,
    );
    expect(STOPPED).toMatch(/^neighbour +\d+ calls; not stopped$/m);
    const [alert, bill] = ["spend at the alert", "final bill"].map((what) => {
      return Number(new RegExp(`${what} +\\$([\\d.]+)`).exec(STOPPED)?.[1]);
    }) as [number, number];
    expect(alert).toBeGreaterThan(0.25);
    expect(bill).toBeGreaterThanOrEqual(alert);
    expect(STOPPED).toMatch(/time to the alert +\d+\.\d min simulated/);
    expect(STOPPED).toMatch(/time to block +\d+ ms/);
    const ENDED = out.slice(out.indexOf("HOW ITS OPERATOR ENDS IT"), out.indexOf("WHAT CUSTOMERS COST"));
    const INCIDENT = [
      /^ {2}tripped +agent:runaway and root_agent:runaway$/m,
      /^ {2}reset +agent:runaway: closed$/m,
      /^ {12}root_agent:runaway: closed, too/m,
      /^ {12}monitors \d+, \d+ still alert: the next notification opens the circuit again/m,
      /^ {12}mute them for this scope: spendfuse breaker reset agent:runaway --mute 1h$/m,
      /^ {2}muted +monitor \d+ is muted for agent:runaway until \S+Z\n {12}monitor \d+ is muted for root_agent:runaway until/m,
      /^ {2}gauge +spendfuse\.circuit\.open is 0 and 0$/m,
      /^ {2}recovery +2 monitors recovered, and told @oncall-demo$/m,
      /^ {2}events +Circuit opened: agent:runaway\n {12}Circuit opened: root_agent:runaway\n {12}Circuit reset: root_agent:runaway\n {12}Circuit reset: agent:runaway$/m,
    ];
    for (const line of INCIDENT) expect(ENDED).toMatch(line);
    const CUSTOMERS = out.slice(out.indexOf("WHAT CUSTOMERS COST"), out.indexOf("WHAT THE VENDORS' OWN"));
    for (const [customer, searches] of [
      ["acme", 5],
      ["zeta", 3],
    ] as const) {
      const [calls, searched, forCalls, forSearches, ledgered, arrived] = figures(out, "WHAT CUSTOMERS COST", customer);
      expect([calls, searched]).toEqual([customer === "acme" ? searches + 1 : searches, searches]);
      expect(forSearches).toBeCloseTo(searches * 0.008, 9);
      expect([ledgered, arrived]).toEqual([arrived, Number((forCalls! + forSearches!).toFixed(9))]);
    }
    expect(CUSTOMERS).toContain("✓ calls and searches add up, and acme was refused before it passed its $0.05");
    expect(seconds).toBeLessThan(90);
    expect(out).not.toContain("\x1b");

    const SETTLED = out.slice(out.indexOf("WHAT THE VENDORS' OWN COST REPORTS SAY"));
    expect(SETTLED).toMatch(/^researcher +\$[\d.]+ +\$[\d.]+ +-\$[\d.]+ +· +0$/m);
    expect(SETTLED).toMatch(/^hotels +\$([\d.]+) +\$\1 +· +· +0$/m);
    expect(SETTLED).toMatch(/^browser +\$[\d.]+ +\$[\d.]+ +-\$[\d.]+ +-?\$[\d.]+ +0$/m);
    expect(SETTLED).toMatch(/^all governed .* 0$/m);
    const [, ungoverned] = /^\(ungoverned\) +\$([\d.]+) +· +· +·$/m.exec(SETTLED) ?? [];
    expect(Number(ungoverned)).toBeGreaterThan(0);
    expect(SETTLED).toContain(`ungoverned: $${ungoverned}`);
    expect(SETTLED).toMatch(/✓ drift of governed spend is 0/);
    expect(SETTLED).toMatch(/✓ Anthropic's bill has both prices: this account pays 90 % of the list, \$0\.01\d+ less/);
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);

    const METERED = "WHAT SPENDFUSE METERS";
    const BILLED = "WHAT THE VENDOR BILLED";
    const all = figures(out, METERED, "all");
    const sums = new Array<number>(10).fill(0);
    for (const agent of AGENTS.slice(0, -1)) {
      const row = figures(out, METERED, agent);
      const [calls, completed, canceled, failed] = row as [number, number, number, number];
      expect(completed + canceled + failed, agent).toBe(calls);
      for (const [index, value] of row.entries()) sums[index]! += value;
      const [bill, metered] = figures(out, BILLED, agent);
      expect(metered!.toFixed(6)).toBe(row[6]!.toFixed(6));
      if (agent === "browser") expect(Math.abs(metered! / bill! - 1)).toBeLessThan(0.25);
      else expect(metered).toBe(bill);
    }
    expect(all.slice(0, 6)).toEqual(sums.slice(0, 6));
    expect(all.slice(7)).toEqual(sums.slice(7));
    // 45 calls: 12 broken off, 1 cut, 2 refused, the others read to their end.
    expect(all.slice(0, 4)).toEqual([45, 30, 12, 3]);
    expect(all.slice(7)).toEqual([30, 13, 0]);
    expect(out).toContain("✓ 45 of 45 calls are there");
    expect(out).toContain("✓ 30 of 30 calls that the vendor reported");
    expect(out).toContain("✓ 6 of 6 agents");
  });

  test("without the vendors' packages it reports that, is as exact, and keeps its page open with --keep", {
    timeout: 200_000,
  }, async ({ expect }) => {
    const child = spawn(process.execPath, [MAIN, "demo", "--plain-fetch", "--keep"]);
    let out = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    const ended = new Promise((resolve) => child.once("close", resolve));
    await expect.poll(() => out, { timeout: 180_000, interval: 200 }).toContain("still there");
    const url = /still there: (\S+)/.exec(out)?.[1];
    const state = (await (await fetch(`${url}/sandbox/state`)).json()) as {
      monitors: { name: string; status: string }[];
      circuits: { circuits: { scope: string }[] };
      now: number;
    };
    // The incident is over: no circuit is open, and the graphs' events tell of it.
    expect(state.circuits.circuits).toEqual([]);
    const span = `from=${state.now - 3_600}&to=${state.now}`;
    const { events } = (await (await fetch(`${url}/sandbox/events?q=source:spendfuse&${span}`)).json()) as {
      events: { title: string; type: string }[];
    };
    for (const scope of ["agent:runaway", "root_agent:runaway"]) {
      expect(events).toContainEqual(expect.objectContaining({ title: `Circuit opened: ${scope}`, type: "error" }));
      expect(events).toContainEqual(expect.objectContaining({ title: `Circuit reset: ${scope}`, type: "success" }));
    }
    expect(state.monitors.length).toBeGreaterThanOrEqual(17);
    child.kill("SIGINT");
    expect(await ended).toBe(0);
    expect(out).toContain("plain fetch instead: openai, @anthropic-ai/sdk, ai");
    expect(out).not.toContain("✗");
  });
});

test("it does not spend in an app's own metering", async () => {
  const register = entryUrl("register");
  const refused = await run(["demo"], { NODE_OPTIONS: `--import ${register}` });
  expect(refused).toMatchObject({ code: 2, out: "" });
  expect(refused.err).toContain("spendfuse/register");
});
