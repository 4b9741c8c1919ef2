// @serial: a demo, a browser and a page that is drawn while figures arrive
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Asset } from "../../src/datadog/assets.ts";
import { widgetsOf } from "../../src/datadog/widgets.ts";
import { formatValue, type NumberFormat } from "../../src/sandbox/page/format.ts";
import { spanOf as timesOf } from "../../src/sandbox/page/span.ts";
import type { DrawAnswer, DrawOrder } from "../../src/sandbox/view.ts";
import { openFile } from "../../src/stores/file/store.ts";
import { entryPath } from "../entries.ts";
import { findChromium, openBrowser } from "../servers/chromium.ts";
import { daysWithin, monthBefore, type Spend, sum, type TimeSpan, type Truth, truthOf, within } from "./demo-truth.ts";

const chromium = findChromium();
const USD: NumberFormat = { unit: { unit_name: "dollar" } };
const NONE = "N/A";
const DAY_MS = 86_400_000;
const DAY_S = 86_400;
/** Where pictures for the documents go, when somebody wants new ones. */
const PICTURES = process.env.SPENDFUSE_SCREENSHOTS;
const SOON = { timeout: 60_000 };
/** The demo's cap of each agent's day, in its configuration. */
const DAY_USD = 5;
/** The time range of the page. */
const RANGE = "30d";

/** Lists of what is wrong, and of who spends right now: empty while nothing is, and nobody does. */
const MAY_BE_EMPTY = [
  "Agents, last 5 minutes",
  "Agents, last hour",
  "Guards without store or breaker",
  "Models without a price",
  "Open now",
  "Unmetered calls by API host",
];

/** Sums by a group's name, the largest first, as lists show them. */
function by<T extends { readonly usd: number }>(
  rows: readonly T[],
  nameOf: (row: T) => string,
): readonly (readonly [string, number])[] {
  const groups = Map.groupBy(rows, (row) => nameOf(row) || NONE);
  return [...groups].map(([name, own]) => [name, sum(own)] as const).sort(([, a], [, b]) => b - a);
}

const shown = (rows: readonly (readonly [string, number])[]): readonly string[] =>
  rows.map(([name, usd]) => `${name} ${formatValue(usd, USD)}`).sort();
/** What the ten agents spent whose spend rose most against the same span some seconds earlier. */
function movers(calls: readonly Spend[], span: TimeSpan, earlier: number): readonly (readonly [string, number])[] {
  const before = new Map(by(within(calls, span, earlier), ({ agent }) => agent));
  const rises = by(within(calls, span), ({ agent }) => agent).map(([name, now]) => {
    return { row: [name, now] as const, rise: now - (before.get(name) ?? 0) };
  });
  return rises
    .sort((a, b) => b.rise - a.rise)
    .slice(0, 10)
    .map(({ row }) => row);
}
const usd = (value: number): string => formatValue(value, USD);
const share = (value: number): string => formatValue(value, { unit: { unit_name: "fraction" } });

/** The vendor's bill of the month: of past days, and of what the demo spent. */
const billedIn = ({ bill, live }: Truth, span: TimeSpan): number =>
  sum(within(bill, span)) + live.billed + live.ungoverned;
const ungovernedIn = ({ bill, live }: Truth, span: TimeSpan): number =>
  sum(within(bill, span).filter(({ governed }) => !governed)) + live.ungoverned;

/** What each dashboard has to show in the span that a widget was drawn for. */
const FIGURES: Readonly<Record<string, Readonly<Record<string, (truth: Truth, span: TimeSpan) => string>>>> = {
  "Agent Spend": {
    "Last 24 hours": ({ calls }, span) => usd(sum(within(calls, span))),
    "Month to date": ({ calls }, span) => usd(sum(within(calls, span))),
    "30 days at the pace of 7 days": ({ calls }, span) => usd((sum(within(calls, span)) / 7) * 30),
    "Change from the day before": ({ calls }, span) => usd(sum(within(calls, span)) - sum(within(calls, span, DAY_S))),
    Tokens: ({ calls }, span) => formatValue(sum(within(calls, span), ({ tokens }) => tokens)),
    "Calls without a price": () => "0 %",
    "Calls and charges": ({ calls, charges }, span) => usd(sum(within(calls, span)) + sum(within(charges, span))),
    Charges: ({ charges }, span) => usd(sum(within(charges, span))),
  },
  "Finance Bill and Estimate": {
    "Billed this month": (truth, span) => usd(billedIn(truth, span)),
    Ungoverned: (truth, span) => usd(ungovernedIn(truth, span)),
    Drift: (truth, span) =>
      share((billedIn(truth, span) - ungovernedIn(truth, span)) / sum(within(truth.calls, span)) - 1),
    "Metered, all calls": ({ calls }, span) => usd(sum(within(calls, span))),
    "Metered, on the bill": ({ calls }, span) => usd(sum(within(calls, span))),
    "Same days last month": ({ calls }, span) => usd(sum(within(calls, span, monthBefore(span)))),
    "Bill ends, ago": () => "0 s",
  },
  "Metering Quality": { Unknown: () => "0 %", "Calls without a price": () => "0", "Unmetered calls": () => "0" },
  "Breakers and On Call": {
    "Any circuit open": () => "0",
    "Fullest budget": ({ calls, charges }) => {
      const own = [...calls, ...charges].filter(({ at }) => at === Number.POSITIVE_INFINITY);
      return share(Math.max(...by(own, ({ rootAgent }) => rootAgent).map(([, spent]) => spent)) / DAY_USD);
    },
  },
  "Cloud Cost": {
    "Month to date": ({ bill }, span) => usd(sum(daysWithin(bill, span))),
    "Last 30 days": ({ bill }, span) => usd(sum(daysWithin(bill, span))),
    "Same days last month": ({ bill }, span) => usd(sum(daysWithin(bill, span, monthBefore(span)))),
    "Share without an agent": ({ bill }, span) => {
      const days = daysWithin(bill, span);
      return share(sum(days.filter(({ governed }) => !governed)) / sum(days));
    },
  },
};

/** Names and amounts of lists, and of the first column of tables. */
const LISTS: Readonly<Record<string, Readonly<Record<string, (truth: Truth, span: TimeSpan) => readonly string[]>>>> = {
  "Agent Spend": {
    Agents: ({ calls }, span) => shown(by(within(calls, span), ({ agent }) => agent).slice(0, 10)),
    "Root agents, with their sub agents": ({ calls }, span) =>
      shown(by(within(calls, span), ({ rootAgent }) => rootAgent)),
    Models: ({ calls }, span) => shown(by(within(calls, span), ({ model }) => model).slice(0, 10)),
    "Charges by agent": ({ charges }, span) => shown(by(within(charges, span), ({ agent }) => agent)),
    "Against the day before": ({ calls }, span) => shown(movers(calls, span, DAY_S)),
    "Against the week before": ({ calls }, span) => shown(movers(calls, span, 7 * DAY_S)),
  },
  "Finance Bill and Estimate": {
    "Bill by team": ({ calls }, span) => shown(by(within(calls, span), ({ team }) => team)),
  },
  "Cloud Cost": {
    "By agent": ({ bill }, span) =>
      shown(by(daysWithin(bill, span), ({ agent, governed }) => (governed ? agent : "")).slice(0, 10)),
    "By team": ({ bill }, span) => shown(by(daysWithin(bill, span), ({ team, governed }) => (governed ? team : ""))),
  },
};

/** Sums over time of each group of a graph. */
const GRAPHS: typeof LISTS = {
  "Agent Spend": {
    "By agent": ({ calls }, span) => shown(by(within(calls, span), ({ agent }) => agent)),
    "By root agent": ({ calls }, span) => shown(by(within(calls, span), ({ rootAgent }) => rootAgent)),
    "Projects and teams": ({ calls }, span) =>
      shown(by(within(calls, span), ({ project, team }) => `${project || NONE}/${team || NONE}`)),
    "Teams, their agents and models": ({ calls }, span) =>
      shown(by(within(calls, span), ({ team, agent, model }) => `${team || NONE}/${agent}/${model}`)),
  },
  "Metering Quality": {
    "Cost by quality": ({ calls }, span) => shown(by(within(calls, span), ({ quality }) => quality)),
  },
  "Cloud Cost": {
    "By provider, by day": ({ bill }, span) =>
      shown(by(daysWithin(bill, span), ({ vendor }) => vendor.toLowerCase().replaceAll(" ", "_"))),
  },
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
  let truth: Truth;
  let browser: Browser;
  let page: Page;
  /** Answers that the widgets of the shown dashboard were drawn of. */
  const answers = new Map<string, { readonly answer: DrawAnswer; readonly span: TimeSpan }[]>();
  /** Requests of widgets, by dashboard and title. */
  const requests = new Map<string, { readonly request: unknown; readonly time: unknown }>();

  beforeAll(async () => {
    const began = Date.now();
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
    const rows = await store.metered(Date.now() - 70 * DAY_MS, Date.now() + DAY_MS);
    await store.close();
    truth = await truthOf(rows, out, began);
    browser = await openBrowser(chromium as string);
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on("response", (response) => {
      if (!response.url().endsWith("/sandbox/draw")) return;
      const order = response.request().postDataJSON() as DrawOrder;
      response.json().then(
        (answer) => void answersTo(order.request).unshift({ answer: answer as DrawAnswer, span: order }),
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
        requests.set(`${json.title} ${definition.title}`, {
          request: (definition.requests as readonly unknown[] | undefined)?.[0],
          time: definition.time,
        });
    }
    await page.goto(url);
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    demo.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(title: string): Promise<void> {
    await page.click(`[data-testid="nav-Spendfuse ${title}"]`);
    await page.waitForSelector(`h1:has-text("${title}")`);
    await page.selectOption('[aria-label="time range"]', RANGE);
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

  function answersTo(request: unknown) {
    const key = JSON.stringify(request);
    const known = answers.get(key) ?? [];
    answers.set(key, known);
    return known;
  }

  /** The last answer to a widget's request: another may ask the same for another time. */
  function drawnOf(dashboard: string, title: string) {
    const { request, time } = requests.get(`Spendfuse ${dashboard} ${title}`) ?? {};
    return answersTo(request).find(({ span }) => Math.abs(timesOf(time, RANGE, span.to).from - span.from) < 1);
  }

  /** The span that a widget was drawn for last; a graph begins with its first interval. */
  function spanOf(dashboard: string, title: string): TimeSpan {
    const { answer, span = { from: 0, to: 0 } } = drawnOf(dashboard, title) ?? {};
    return { from: answer?.times[0] ?? span.from, to: span.to };
  }

  /** The groups of a graph, with their sums over time. */
  function readGraph(dashboard: string, title: string): readonly string[] {
    const { answer } = drawnOf(dashboard, title) ?? {};
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
      compare(
        name,
        drawn.find((one) => one.title === name && one.type === "query_value")?.text,
        figure(truth, spanOf(title, name)),
      );
    for (const [name, rows] of Object.entries(LISTS[title] ?? {})) {
      const cells = drawn.find((one) => one.title === name)?.rows ?? [];
      compare(name, cells.map(([group, value]) => `${group} ${value}`).sort(), rows(truth, spanOf(title, name)));
    }
    for (const [name, rows] of Object.entries(GRAPHS[title] ?? {}))
      compare(name, readGraph(title, name), rows(truth, spanOf(title, name)));
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
