import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MeteredRow } from "../../src/core/metered.ts";
import type { Asset } from "../../src/datadog/assets.ts";
import { widgetsOf } from "../../src/datadog/widgets.ts";
import { CHARGE_PROVIDER } from "../../src/pricing/charge.ts";
import { formatValue, type NumberFormat } from "../../src/sandbox/page/format.ts";
import type { DrawAnswer, DrawOrder } from "../../src/sandbox/view.ts";
import { openFile } from "../../src/stores/file/store.ts";
import { entryPath } from "../entries.ts";
import { findChromium, openBrowser } from "../servers/chromium.ts";

const chromium = findChromium();
const USD: NumberFormat = { unit: { unit_name: "dollar" } };
const NONE = "N/A";
const DAY_MS = 86_400_000;
/** Where pictures for the documents go, when somebody wants new ones. */
const PICTURES = process.env.SPENDFUSE_SCREENSHOTS;
const SOON = { timeout: 60_000 };
/** The demo's cap of each agent's month, in its configuration. */
const MONTH_USD = 5;

/** Lists of what is wrong, and of who spends right now: empty while nothing is, and nobody does. */
const MAY_BE_EMPTY = [
  "Agents, last 5 minutes",
  "Agents, last hour",
  "Guards without store or breaker",
  "Models without a price",
  "Open now",
  "Unmetered calls by API host",
];

/** The demo's own ledger, from the store of its agents: never what its metrics say. */
interface Ledger {
  readonly calls: readonly MeteredRow[];
  readonly charges: readonly MeteredRow[];
}

const sum = (rows: readonly MeteredRow[], of: (row: MeteredRow) => number = ({ cost }) => cost / 1e9): number =>
  rows.reduce((total, row) => total + of(row), 0);

const tokensOf = (row: MeteredRow): number => row.inputUncached + row.cacheRead + row.cacheWrite + row.output;

/** Sums by a group's name, the largest first, as lists show them. */
function by(rows: readonly MeteredRow[], nameOf: (row: MeteredRow) => string): readonly (readonly [string, number])[] {
  const groups = Map.groupBy(rows, (row) => nameOf(row) || NONE);
  return [...groups].map(([name, own]) => [name, sum(own)] as const).sort(([, a], [, b]) => b - a);
}

const shown = (rows: readonly (readonly [string, number])[]): readonly string[] =>
  rows.map(([name, usd]) => `${name} ${formatValue(usd, USD)}`).sort();

/** What each dashboard has to show, computed of the ledger. */
const FIGURES: Readonly<Record<string, Readonly<Record<string, (ledger: Ledger) => string>>>> = {
  "Agent Spend": {
    "Last 24 hours": ({ calls }) => formatValue(sum(calls), USD),
    "Month to date": ({ calls }) => formatValue(sum(calls), USD),
    "30 days at the pace of 7 days": ({ calls }) => formatValue((sum(calls) / 7) * 30, USD),
    "Change from the day before": ({ calls }) => formatValue(sum(calls), USD),
    Tokens: ({ calls }) => formatValue(sum(calls, tokensOf)),
    "Calls without a price": () => "0 %",
    "Calls and charges": ({ calls, charges }) => formatValue(sum(calls) + sum(charges), USD),
    Charges: ({ charges }) => formatValue(sum(charges), USD),
  },
  "Finance Bill and Estimate": {
    "Metered, all calls": ({ calls }) => formatValue(sum(calls), USD),
    "Metered, on the bill": ({ calls }) => formatValue(sum(calls), USD),
    "Same days last month": () => "$0.00",
    "Bill ends, ago": () => "0 s",
  },
  "Metering Quality": { Unknown: () => "0 %", "Calls without a price": () => "0", "Unmetered calls": () => "0" },
  "Breakers and On Call": {
    "Any circuit open": () => "0",
    "Fullest budget": ({ calls, charges }) => {
      const whole = Math.max(...by([...calls, ...charges], ({ rootAgent }) => rootAgent).map(([, usd]) => usd));
      return formatValue(whole / MONTH_USD, { unit: { unit_name: "fraction" } });
    },
  },
};

/** Names and amounts of lists, and of the first column of tables. */
const LISTS: Readonly<Record<string, Readonly<Record<string, (ledger: Ledger) => readonly string[]>>>> = {
  "Agent Spend": {
    Agents: ({ calls }) => shown(by(calls, ({ agent }) => agent).slice(0, 10)),
    "Root agents, with their sub agents": ({ calls }) => shown(by(calls, ({ rootAgent }) => rootAgent)),
    Models: ({ calls }) => shown(by(calls, ({ model }) => model).slice(0, 10)),
    "Charges by agent": ({ charges }) => shown(by(charges, ({ agent }) => agent)),
    "Against the day before": ({ calls }) => shown(by(calls, ({ agent }) => agent).slice(0, 10)),
  },
  "Finance Bill and Estimate": { "Bill by team": ({ calls }) => shown(by(calls, ({ team }) => team)) },
};

/** Sums over time of each group of a graph. */
const GRAPHS: Readonly<Record<string, Readonly<Record<string, (ledger: Ledger) => readonly string[]>>>> = {
  "Agent Spend": {
    "By agent": ({ calls }) => shown(by(calls, ({ agent }) => agent)),
    "By root agent": ({ calls }) => shown(by(calls, ({ rootAgent }) => rootAgent)),
    "Projects and teams": ({ calls }) => shown(by(calls, ({ project, team }) => `${project || NONE}/${team || NONE}`)),
    "Teams, their agents and models": ({ calls }) =>
      shown(by(calls, ({ team, agent, model }) => `${team || NONE}/${agent}/${model}`)),
  },
  "Metering Quality": { "Cost by quality": ({ calls }) => shown(by(calls, ({ quality }) => quality)) },
};

interface Drawn {
  readonly title: string;
  readonly type: string;
  readonly text: string;
  /** Cells of each line of a list or table. */
  readonly rows: readonly (readonly string[])[];
  readonly isEmpty: boolean;
}

describe.skipIf(chromium === undefined)("dashboards of the demo's month", () => {
  const folder = mkdtempSync(join(tmpdir(), "spendfuse-boards-"));
  const demo = { pid: 0, kill: (): void => {} };
  let ledger: Ledger;
  let browser: Browser;
  let page: Page;
  /** Answers that the widgets of the shown dashboard were drawn of. */
  const answers = new Map<string, DrawAnswer>();
  /** Requests of widgets, by dashboard and title. */
  const requests = new Map<string, unknown>();

  beforeAll(async () => {
    const child = spawn(process.execPath, [entryPath("cli/main"), "demo", "--plain-fetch", "--keep"], {
      env: { ...process.env, TMPDIR: folder },
    });
    demo.kill = () => void child.kill("SIGINT");
    let out = "";
    const ended = new Promise<never>((_, reject) => {
      child.once("close", (code) => reject(new Error(`the demo ended with ${code}: ${out}`)));
    });
    ended.catch(() => {});
    const ready = new Promise<void>((resolve) => {
      child.stdout.on("data", (chunk) => {
        out += chunk;
        if (out.includes("still there")) resolve();
      });
    });
    await Promise.race([ready, ended]);
    expect(out).not.toContain("✗");
    const [place = ""] = readdirSync(folder).filter((name) => name.startsWith("spendfuse-demo-"));
    const store = await openFile(join(folder, place, "spend.db"));
    const rows = await store.metered(Date.now() - 2 * DAY_MS, Date.now() + DAY_MS);
    await store.close();
    ledger = {
      calls: rows.filter(({ provider }) => provider !== CHARGE_PROVIDER),
      charges: rows.filter(({ provider }) => provider === CHARGE_PROVIDER),
    };
    browser = await openBrowser(chromium as string);
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on("response", (response) => {
      if (!response.url().endsWith("/sandbox/draw")) return;
      const order = response.request().postDataJSON() as DrawOrder;
      response.json().then(
        (answer) => answers.set(JSON.stringify(order.request), answer as DrawAnswer),
        () => {},
      );
    });
    const url = /still there: (\S+)/.exec(out)?.[1] ?? "";
    const headers = { "dd-api-key": "a", "dd-application-key": "b" };
    const { dashboards } = (await (await fetch(`${url}/api/v1/dashboard`, { headers })).json()) as {
      readonly dashboards: readonly { readonly id: string }[];
    };
    for (const { id } of dashboards) {
      const json = (await (await fetch(`${url}/api/v1/dashboard/${id}`, { headers })).json()) as Asset["json"];
      for (const { definition } of widgetsOf(json))
        requests.set(`${json.title} ${definition.title}`, (definition.requests as readonly unknown[] | undefined)?.[0]);
    }
    await page.goto(url);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    demo.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(title: string): Promise<void> {
    await page.click(`[data-testid="nav-Spendfuse ${title}"]`);
    await page.waitForSelector(`h1:has-text("${title}")`);
    await page.selectOption('[aria-label="time range"]', "1d");
  }

  function readWidgets(): Promise<readonly Drawn[]> {
    return page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('[data-testid="widget"]')].map((widget) => ({
        title: widget.querySelector("h3")?.textContent ?? "",
        type: widget.dataset.type ?? "",
        text: widget.dataset.drawn === "true" ? (widget.querySelector(".body")?.textContent ?? "") : "not drawn",
        rows: [...widget.querySelectorAll(".list > div, tbody > tr")].map((row) =>
          [...row.querySelectorAll("span, td")].map(({ textContent }) => textContent ?? ""),
        ),
        isEmpty: widget.querySelector(".empty, .fault") !== null,
      })),
    );
  }

  /** The groups of a graph, with their sums over time. */
  function readGraph(dashboard: string, title: string): readonly string[] {
    const answer = answers.get(JSON.stringify(requests.get(`Spendfuse ${dashboard} ${title}`)));
    const sums = new Map<string, number>();
    for (const { group, values } of [...(answer?.series ?? []), ...(answer?.rows ?? [])])
      sums.set(
        group.join("/"),
        values.reduce<number>((total, value) => total + (value ?? 0), 0),
      );
    return shown([...sums]);
  }

  /** What is wrong with a dashboard as it is drawn now, in words. */
  async function faultsOf(title: string): Promise<readonly string[]> {
    const drawn = await readWidgets();
    const faults = drawn.flatMap((one) => {
      const isEmpty = one.isEmpty || one.text === "not drawn" || (one.type === "query_value" && one.text === "–");
      return isEmpty && !MAY_BE_EMPTY.includes(one.title) ? [`${one.title} is empty`] : [];
    });
    const compare = (name: string, is: unknown, truth: unknown): void => {
      if (JSON.stringify(is) !== JSON.stringify(truth))
        faults.push(`${name} is ${JSON.stringify(is)}, and ${JSON.stringify(truth)} in the ledger`);
    };
    for (const [name, figure] of Object.entries(FIGURES[title] ?? {}))
      compare(name, drawn.find((one) => one.title === name && one.type === "query_value")?.text, figure(ledger));
    for (const [name, rows] of Object.entries(LISTS[title] ?? {})) {
      const cells = drawn.find((one) => one.title === name)?.rows ?? [];
      compare(name, cells.map(([group, value]) => `${group} ${value}`).sort(), rows(ledger));
    }
    for (const [name, rows] of Object.entries(GRAPHS[title] ?? {})) compare(name, readGraph(title, name), rows(ledger));
    return faults;
  }

  // The page draws anew while the demo's clock runs.
  test.each(Object.keys(FIGURES))(
    "%s: no widget is empty, and each figure is that of the ledger",
    SOON,
    async (title) => {
      await open(title);
      await expect.poll(() => faultsOf(title), { timeout: 40_000 }).toEqual([]);
      const [name = ""] = title.toLowerCase().split(" ");
      if (PICTURES !== undefined && title !== "Agent Spend")
        await page.screenshot({ path: join(PICTURES, `sandbox-${name}.png`) });
    },
  );
});
