import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Breaker, startBreaker } from "../../src/breaker/server.ts";
import { readAssets } from "../../src/datadog/assets.ts";
import { PACKAGE_ROOT } from "../../src/package/root.ts";
import { simulatedClock } from "../../src/sandbox/clock.ts";
import { preload } from "../../src/sandbox/preload.ts";
import { createSandbox, type Sandbox } from "../../src/sandbox/sandbox.ts";
import { type SandboxServer, startSandboxServer } from "../../src/sandbox/server.ts";
import { openMemory } from "../../src/stores/memory.ts";
import { findChromium, openBrowser } from "../servers/chromium.ts";
import { findBarriers } from "./accessibility.ts";
import { findWithAxe } from "./axe.ts";
import { feedMinute } from "./traffic.ts";

const chromium = findChromium();
const SECRET = "secret-of-the-webhook";
const TOKEN = "token-of-an-operator";
/** Where pictures for the README go, when somebody wants new ones. */
const PICTURES = process.env.SPENDFUSE_SCREENSHOTS;
const HOURS = 26;
const SOON = { timeout: 100_000 };

describe.skipIf(chromium === undefined)("the page of the sandbox", () => {
  let breaker: Breaker;
  let sandbox: Sandbox;
  let server: SandboxServer;
  let browser: Browser;
  let page: Page;
  const faults: string[] = [];

  beforeAll(async () => {
    expect(existsSync(join(PACKAGE_ROOT, "dist", "page", "main.js")), "npm run page").toBe(true);
    const say = (): void => {};
    breaker = await startBreaker({ store: openMemory(), port: 0, webhookSecrets: [SECRET], operatorToken: TOKEN, say });
    sandbox = createSandbox({ clock: simulatedClock(Date.now() / 1_000 - (HOURS + 1) * 3_600) });
    preload(sandbox.account, readAssets(), { breaker: breaker.url, secret: SECRET });
    for (let minute = 0; minute < HOURS * 60; minute += 1) {
      feedMinute(sandbox, minute);
      await sandbox.advance(60);
    }
    server = await startSandboxServer(sandbox, { port: 0, breaker: { url: breaker.url, token: TOKEN } });
    browser = await openBrowser(chromium as string);
    page = await open("light");
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await breaker?.close();
  });

  async function open(colorScheme: "light" | "dark"): Promise<Page> {
    const opened = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme });
    opened.on("pageerror", (error) => faults.push(error.message));
    opened.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    await opened.goto(server.url);
    await opened.waitForSelector('[data-testid="widget"][data-drawn="true"]');
    return opened;
  }

  async function drawn(on: Page): Promise<void> {
    await on.waitForFunction(() => {
      const widgets = [...document.querySelectorAll<HTMLElement>('[data-testid="widget"]')];
      return widgets.length > 3 && widgets.every((widget) => widget.dataset.drawn === "true");
    });
  }

  async function picture(on: Page, name: string): Promise<void> {
    if (PICTURES !== undefined) await on.screenshot({ path: join(PICTURES, `${name}.png`) });
  }

  test("says that it is not Datadog", async () => {
    expect(await page.textContent("nav")).toContain("not Datadog");
    await page.click('[data-testid="nav-about"]');
    await page.waitForSelector("text=This is not Datadog");
    expect(await page.locator("text=unconfirmed").count()).toBeGreaterThan(5);
  });

  test.each(["Agent Spend", "Finance Bill and Estimate", "Metering Quality", "Breakers and On Call"])(
    "draws %s from live data",
    async (title) => {
      await page.click(`[data-testid="nav-Spendfuse ${title}"]`);
      await page.waitForSelector(`h1:has-text("${title}")`);
      await drawn(page);
      expect(await page.locator(".fault").allTextContents()).toEqual([]);
      const empty = await page.locator('[data-type="toplist"] .empty, [data-type="query_table"] .empty').count();
      const lists = await page.locator('[data-type="toplist"], [data-type="query_table"]').count();
      expect(lists - empty).toBeGreaterThan(0);
      // What is drawn has colours: a canvas that nothing was painted on has none.
      for (const type of ["timeseries", "query_value"]) {
        const canvas = page.locator(`[data-type="${type}"] canvas`).first();
        expect(await canvas.evaluate(isPainted), type).toBe(true);
      }
      if (title === "Agent Spend") await picture(page, "sandbox-agent-spend");
    },
  );

  test("a variable narrows every widget", async () => {
    await page.click('[data-testid="nav-Spendfuse Agent Spend"]');
    await drawn(page);
    const rows = page.locator('[data-type="toplist"]').first().locator(".list > div");
    await expect.poll(() => rows.count(), SOON).toBeGreaterThan(2);
    await page.selectOption('[data-variable="agent"]', "flights");
    await expect.poll(() => rows.count(), SOON).toBe(1);
    expect(await rows.first().textContent()).toContain("flights");
    await page.selectOption('[data-variable="agent"]', "*");
  });

  test("a monitor goes to alert, its webhook opens a circuit, and it is reset by hand", async () => {
    await page.click('[data-testid="nav-monitors"]');
    const burn = page.locator('[data-testid="monitor-row"][data-name="Agent spend over limit in 5 minutes"]');
    await burn.waitFor();
    expect(await burn.getAttribute("data-status")).toBe("OK");
    // A runaway begins; time passes at the page.
    for (let minute = 0; minute < 3; minute += 1) {
      const tags = ["agent:runaway", "root_agent:runaway", "team:search", "provider:openai", "model:gpt-5"];
      sandbox.store.write("spendfuse.cost", "count", tags.join(), () => tags, sandbox.clock.now(), 4);
      await page.click('button:has-text("+1 min")');
      await page.waitForTimeout(300);
    }
    await expect.poll(() => burn.getAttribute("data-status"), SOON).toBe("Alert");
    expect(await burn.textContent()).toContain("agent:runaway");
    await picture(page, "sandbox-monitors");

    await page.click('[data-testid="nav-circuits"]');
    const circuit = page.locator('[data-testid="circuit-row"][data-scope="agent:runaway"]');
    await circuit.waitFor();
    expect(await circuit.getAttribute("data-state")).toBe("open");
    await picture(page, "sandbox-circuits");
    await circuit.locator('[data-testid="reset"]').click();
    const dialog = page.getByRole("dialog", { name: "Reset agent:runaway?" });
    await dialog.getByLabel("Your name").fill("ada");
    await dialog.getByRole("button", { name: "Reset" }).click();
    await expect.poll(() => circuit.count(), SOON).toBe(0);
    const { circuits } = (await (await fetch(`${breaker.url}/circuits`)).json()) as { circuits: { scope: string }[] };
    expect(circuits.map(({ scope }) => scope)).not.toContain("agent:runaway");

    await page.click('[data-testid="nav-webhooks"]');
    await page.waitForSelector('[data-testid="webhook-row"]:has-text("agent:runaway")');
  });

  test.each([
    ["light", 390],
    ["light", 1_280],
    ["dark", 390],
    ["dark", 1_280],
  ] as const)("nothing keeps people out: %s, %d px", async (theme, width) => {
    const own = await open(theme);
    await own.setViewportSize({ width, height: 900 });
    const views = await own
      .locator("nav a")
      .evaluateAll((links) => links.map((link) => link.getAttribute("href") ?? ""));
    const seen: Record<string, readonly string[]> = {};
    for (const href of views) {
      await own.locator(`nav a[href="${href}"]`).click();
      await own.waitForSelector(`nav a[aria-current="page"][href="${href}"]`);
      if (href.startsWith("#dashboards")) await drawn(own);
      seen[href] = await barriersOf(own);
    }
    await own.close();
    expect(seen).toEqual(Object.fromEntries(views.map((href) => [href, []])));
  });

  test("in the dark as well, and nothing went wrong", async () => {
    const dark = await open("dark");
    await drawn(dark);
    expect(await dark.evaluate(() => document.documentElement.dataset.theme)).toBe("dark");
    await picture(dark, "sandbox-agent-spend-dark");
    await dark.close();
    expect(faults).toEqual([]);
  });

  test("pages of others may not ask, and nothing is loaded from elsewhere", async () => {
    const asked = (headers: Record<string, string>) =>
      fetch(`${server.url}/sandbox/clock`, { method: "POST", headers, body: '{"advance":60}' }).then(
        ({ status }) => status,
      );
    expect(await asked({ "content-type": "application/json", origin: "https://example.com" })).toBe(403);
    expect(await asked({ "content-type": "text/plain" })).toBe(403);
    const metrics = (headers: Record<string, string>) =>
      fetch(`${server.url}/api/v2/series`, {
        method: "POST",
        headers: { "content-type": "text/plain", "dd-api-key": "key", ...headers },
        body: '{"series":[]}',
      }).then(({ status }) => status);
    expect(await metrics({})).toBe(202);
    expect(await metrics({ origin: "null" })).toBe(403);
    // A page of another server on this machine.
    expect(await metrics({ origin: "http://127.0.0.1:1" })).toBe(403);
    expect(await metrics({ "sec-fetch-site": "same-site" })).toBe(403);
    expect(await metrics({ "sec-fetch-site": "none" })).toBe(202);
    const policy = (await fetch(server.url)).headers.get("content-security-policy");
    expect(policy).toContain("default-src 'self'");
  });
});

function isPainted(element: SVGElement | HTMLElement): boolean {
  const canvas = element as HTMLCanvasElement;
  const pixels = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
  return pixels.some((value) => value !== 0);
}

/** By our own rules, and by axe's. */
async function barriersOf(page: Page): Promise<readonly string[]> {
  return [...(await page.evaluate(findBarriers)), ...(await findWithAxe(page))];
}
