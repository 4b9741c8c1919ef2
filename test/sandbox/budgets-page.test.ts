import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createOperations } from "../../src/breaker/operations.ts";
import { type Breaker, startBreaker } from "../../src/breaker/server.ts";
import { readBudget } from "../../src/limits/budget.ts";
import { realClock } from "../../src/sandbox/clock.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { type SandboxServer, startSandboxServer } from "../../src/sandbox/server.ts";
import { openMemory } from "../../src/stores/memory.ts";
import { findChromium, openBrowser } from "../servers/chromium.ts";
import { findBarriers } from "./accessibility.ts";
import { findWithAxe } from "./axe.ts";

const chromium = findChromium();
const TOKEN = "token-of-an-operator";
const SOON = { timeout: 60_000 };
const ASK = {
  budget: "agent day",
  scope: "agent:writer",
  amount: 3,
  reason: "one chapter is left",
  by: "agent writer",
};

describe.skipIf(chromium === undefined)("budgets on the page", () => {
  const store = openMemory();
  const caps = readBudget({ name: "agent day", scope: { agent: "*" }, per: "day", usd: 10 });
  const operations = createOperations(store, undefined, Date.now, [], () => caps);
  let breaker: Breaker;
  let server: SandboxServer;
  let browser: Browser;
  let page: Page;
  const faults: string[] = [];

  beforeAll(async () => {
    breaker = await startBreaker({ store, port: 0, operatorToken: TOKEN, caps: () => caps });
    server = await startSandboxServer(createSandbox({ clock: realClock() }), { port: 0 });
    browser = await openBrowser(chromium as string);
    page = await open(server.url, "light", 1_280);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await breaker?.close();
  });

  async function open(url: string, colorScheme: "light" | "dark", width: number): Promise<Page> {
    const opened = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
    opened.on("pageerror", (error) => faults.push(error.message));
    await opened.goto(`${url}/#budgets`);
    await opened.waitForSelector('h1:has-text("Budgets")');
    return opened;
  }

  const capsNow = async (): Promise<readonly number[]> => {
    const { body } = await operations.counts(100);
    return (body as { budgets: { cap: number }[] }).budgets.map(({ cap }) => cap);
  };
  const entries = async () => ((await operations.audit(10)).body as { entries: readonly object[] }).entries;
  const row = () => page.locator('[data-testid="budget-row"][data-scope="agent:writer"]');

  /** Fills the open dialog in, and sends it. */
  async function answer(fields: Readonly<Record<string, string>>, action: string): Promise<void> {
    for (const [label, value] of Object.entries(fields)) await page.locator("dialog").getByLabel(label).fill(value);
    await page.locator("dialog").getByRole("button", { name: action }).click();
    await expect.poll(() => page.locator("dialog").count(), SOON).toBe(0);
  }

  test("says how to fill it: without a breaker, without a token, without a budget", async () => {
    const main = page.locator("main");
    await expect.poll(() => main.textContent(), SOON).toContain("start the sandbox with --breaker URL");
    server.link({ url: breaker.url, token: undefined });
    await expect.poll(() => main.textContent(), SOON).toContain("SPENDFUSE_OPERATOR_TOKEN");
    server.link({ url: breaker.url, token: TOKEN });
    await expect.poll(() => main.textContent(), SOON).toContain("No budget has been used.");
    expect(await main.textContent()).toContain("Nobody asks for more.");
  });

  test("a raise says what will happen, does nothing on Escape, and is in the log once it is confirmed", async () => {
    await operations.changeBudget("raise", { ...ASK, amount: 2, by: "ada" });
    await row().waitFor(SOON);
    await row().getByTestId("raise").focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: 'Raise "agent day" of agent:writer?' });
    await dialog.waitFor();
    await dialog.getByLabel("By how much, in USD").fill("5");
    expect(await page.getByTestId("effect").textContent()).toMatch(
      /^The cap goes from \$12\.00 to \$17\.00 until .+ UTC\./,
    );
    await page.keyboard.press("Escape");
    await expect.poll(() => page.locator("dialog").count()).toBe(0);
    expect(await capsNow()).toEqual([12]);
    await row().getByTestId("raise").click();
    await answer({ "By how much, in USD": "5", Why: "the launch", "Your name": "grace" }, "Raise");
    expect(await capsNow()).toEqual([17]);
    expect((await entries())[0]).toMatchObject({
      what: "raise",
      by: "grace",
      why: "the launch",
      before: 12,
      after: 17,
    });
    await page.waitForSelector('[role="status"]:has-text("is $17.00")');
  });

  test("lowers and resets", async () => {
    await row().getByTestId("lower").click();
    await answer({ "By how much, in USD": "4", Why: "enough" }, "Lower");
    expect(await capsNow()).toEqual([13]);
    await row().getByTestId("reset").click();
    expect(await page.locator("dialog").getByLabel("By how much").count()).toBe(0);
    await page.keyboard.press("Escape");
  });

  test("pauses and resumes an agent", async () => {
    await row().getByTestId("pause").click();
    expect(await page.getByTestId("effect").textContent()).toContain("refused for 15 minutes");
    await answer({ Why: "looks wrong" }, "Pause");
    expect(await store.circuit("agent:writer")).toMatchObject({ state: "open", by: "grace" });
    await row().getByTestId("resume").click(SOON);
    await answer({ Why: "it is fine" }, "Resume");
    expect(await store.circuit("agent:writer")).toMatchObject({ state: "closed" });
  });

  test("approves a request, and denies one", async () => {
    for (const verb of ["approve", "deny"] as const) {
      await operations.answerRequest("request", ASK);
      const request = page.getByTestId("request-row");
      await request.waitFor(SOON);
      expect(await request.textContent()).toContain("one chapter is left");
      await request.getByTestId(verb).click();
      await answer(verb === "deny" ? { Why: "not today" } : {}, verb === "deny" ? "Deny" : "Approve");
      await expect.poll(() => request.count(), SOON).toBe(0);
      expect(await capsNow()).toEqual([16]);
    }
    expect((await entries())[0]).toMatchObject({ what: "deny", by: "grace", why: "not today" });
  });

  test("what the breaker refuses is shown in the dialog, which stays", async () => {
    const { body } = await operations.answerRequest("request", ASK);
    const { request } = body as { request: { id: string } };
    await page.getByTestId("request-row").getByTestId("approve").click(SOON);
    await operations.answerRequest("deny", { id: request.id, reason: "no", by: "ada" });
    await page.locator("dialog").getByRole("button", { name: "Approve" }).click();
    await page.waitForSelector('dialog [role="alert"]:has-text("denied by ada")');
    await page.keyboard.press("Escape");
    expect(await capsNow()).toEqual([16]);
  });

  test("without the breaker's token nothing is changed", async () => {
    server.link({ url: breaker.url, token: undefined });
    const change = (body: object) =>
      fetch(`${server.url}/sandbox/budgets`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }).then(({ status }) => status);
    expect(await change({ verb: "raise", ...ASK })).toBe(409);
    server.link({ url: breaker.url, token: "wrong" });
    expect(await change({ verb: "raise", ...ASK })).toBe(401);
    server.link({ url: breaker.url, token: TOKEN });
    expect(await change({ verb: "reload" })).toBe(400);
    expect(await capsNow()).toEqual([16]);
  });

  test.each([
    ["light", 390],
    ["light", 1_280],
    ["dark", 390],
    ["dark", 1_280],
  ] as const)("nothing keeps people out: %s, %d px", async (theme, width) => {
    await operations.answerRequest("request", ASK);
    const own = await open(server.url, theme, width);
    await own.getByTestId("request-row").waitFor(SOON);
    const seen: Record<string, readonly string[]> = { budgets: await barriersOf(own) };
    await own.getByTestId("raise").click();
    seen.dialog = await barriersOf(own);
    await own.keyboard.press("Escape");
    for (const name of ["circuits", "monitors", "webhooks", "about"]) {
      await own.getByTestId(`nav-${name}`).click();
      await own.waitForFunction(
        (view) => location.hash === `#${view}` && document.querySelector(`a[aria-current][href="#${view}"]`),
        name,
      );
      seen[name] = await barriersOf(own);
    }
    await own.close();
    expect(seen).toEqual(Object.fromEntries(Object.keys(seen).map((name) => [name, []])));
    expect(faults).toEqual([]);
  });
});

/** By our own rules, and by axe's. */
async function barriersOf(page: Page): Promise<readonly string[]> {
  return [...(await page.evaluate(findBarriers)), ...(await findWithAxe(page))];
}
