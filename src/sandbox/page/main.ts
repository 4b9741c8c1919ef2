import type { StateView } from "../view.ts";
import { viewAbout, viewWebhooks } from "./about.ts";
import { ask } from "./ask.ts";
import { type Board, openBoard } from "./board.ts";
import { viewBudgets } from "./budgets.ts";
import { viewCircuits } from "./circuits.ts";
import { h, refill } from "./dom.ts";
import { formatTime } from "./format.ts";
import { viewMonitors } from "./monitors.ts";

const POLL_MS = 1_500;
const HIDDEN_MS = 15_000;
const BOARD_EVERY = 2;

const app = document.getElementById("app") as HTMLElement;
const nav = h("nav", { class: "side", "aria-label": "views" });
const main = h("main", {});
const head = h("div", { class: "head" });
const content = h("div", {});
main.append(head, content);
app.append(nav, main);

let state: StateView | undefined;
let board: (Board & { readonly id: string }) | undefined;
let outcome = "";
let polls = 0;
const open = new Set<number>();

function setTheme(theme: string | undefined): void {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = theme ?? (dark ? "dark" : "light");
}

function toggleTheme(): void {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", next);
  setTheme(next);
  void show();
}

function route(): { readonly view: string; readonly detail: string } {
  const [view = "", detail = ""] = location.hash.slice(1).split("/");
  const first = state?.dashboards[0]?.id;
  return view === "" && first !== undefined
    ? { view: "dashboards", detail: first }
    : { view: view || "monitors", detail };
}

function drawNav({ dashboards, monitors, circuits, budgets }: StateView): void {
  const { view, detail } = route();
  const link = (name: string, href: string, text: string, badge?: HTMLElement | string): HTMLElement => {
    const current = href === `#${view}${detail && view === "dashboards" ? `/${detail}` : ""}`;
    return h("a", { href, "data-testid": `nav-${name}`, "aria-current": current ? "page" : undefined }, text, badge);
  };
  const alerting = monitors.filter(({ status }) => status === "Alert").length;
  const opened = circuits.circuits.filter((circuit) => circuit.state === "open").length;
  const count = (number: number): HTMLElement | undefined =>
    number > 0 ? h("span", { class: "tone-bad pill" }, number) : undefined;
  refill(
    nav,
    h("div", { class: "brand" }, "spendfuse sandbox", h("small", {}, "not Datadog")),
    h("h2", {}, "Dashboards"),
    ...dashboards.map(({ id, title }) => link(title, `#dashboards/${id}`, title.replace(/^Spendfuse /, ""))),
    h("h2", {}, "Live"),
    link("monitors", "#monitors", "Monitors", count(alerting)),
    link("circuits", "#circuits", "Circuits", count(opened)),
    link("budgets", "#budgets", "Budgets", count(budgets.requests.length)),
    link("webhooks", "#webhooks", "Webhooks"),
    link("about", "#about", "What this is"),
    h(
      "div",
      { class: "foot" },
      "A stand-in on this machine.",
      h("button", { type: "button", onclick: toggleTheme }, "Light / dark"),
    ),
  );
}

function drawHead({ now, clock, dashboards }: StateView): void {
  const { view, detail } = route();
  const titles: Record<string, string> = {
    monitors: "Monitors",
    circuits: "Circuits",
    budgets: "Budgets",
    webhooks: "Webhooks",
    about: "What this is",
  };
  const title =
    view === "dashboards"
      ? (dashboards.find(({ id }) => id === detail)?.title ?? "Dashboard")
      : (titles[view] ?? "Not found");
  const speed = clock.type === "real" ? "" : clock.speed === 0 ? "simulated, standing" : `simulated, ${clock.speed} ×`;
  const skip = (seconds: number, text: string): HTMLElement =>
    h("button", { type: "button", onclick: () => void ask("/sandbox/clock", { advance: seconds }).then(show) }, text);
  const skips =
    clock.type === "simulated" && clock.speed === 0
      ? [skip(60, "+1 min"), skip(900, "+15 min"), skip(3_600, "+1 h")]
      : [];
  head.replaceChildren(
    h("h1", {}, title),
    h("div", { class: "clock" }, h("time", {}, `${formatTime(now)} UTC`), speed, ...skips),
  );
}

function tell(text: string): void {
  outcome = text;
  void show();
}

async function drawContent(known: StateView): Promise<void> {
  const { view, detail } = route();
  if (view !== "dashboards") {
    board?.dispose();
    board = undefined;
  }
  switch (view) {
    case "dashboards":
      return await drawBoard(known, detail);
    case "circuits": {
      // Not while the user is typing.
      if (content.contains(document.activeElement) && document.activeElement?.tagName === "INPUT") return;
      refill(content, viewCircuits(known, outcome, tell));
      return;
    }
    case "budgets":
      return refill(content, viewBudgets(known, outcome, tell));
    case "webhooks":
      return refill(content, viewWebhooks(known));
    case "about":
      return refill(content, viewAbout(known));
    default:
      if (detail !== "") open.add(Number(detail));
      refill(
        content,
        viewMonitors(known, open, (id) => {
          if (!open.delete(id)) open.add(id);
        }),
      );
  }
}

async function drawBoard(known: StateView, id: string): Promise<void> {
  if (board?.id !== id) {
    board?.dispose();
    board = { ...(await openBoard(id, () => void board?.refresh(state ?? known))), id };
    content.replaceChildren(board.element);
    await board.refresh(known);
  } else if (polls % BOARD_EVERY === 0) await board.refresh(known);
}

async function show(): Promise<void> {
  try {
    state = await ask<StateView>("/sandbox/state");
    drawNav(state);
    drawHead(state);
    await drawContent(state);
  } catch (error) {
    head.replaceChildren(
      h("p", { class: "banner bad", role: "alert" }, `The sandbox does not answer: ${(error as Error).message}`),
    );
  }
}

async function poll(): Promise<void> {
  await show();
  polls += 1;
  setTimeout(() => void poll(), document.hidden ? HIDDEN_MS : POLL_MS);
}

setTheme(localStorage.getItem("theme") ?? undefined);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  setTheme(localStorage.getItem("theme") ?? undefined),
);
addEventListener("hashchange", () => {
  outcome = "";
  void show();
});
void poll();
