import type { StateView } from "../view.ts";
import { h, panelOf } from "./dom.ts";
import { formatTime, formatValue } from "./format.ts";
import { pill } from "./pill.ts";

/** What came in, and what this does and does not do. */
export function viewAbout({ notice, intake, semantics }: StateView): HTMLElement {
  const { points, series, spans, held, limit, dropped } = intake;
  const counts: readonly (readonly [string, string])[] = [
    ["points taken", formatValue(points)],
    ["series", formatValue(series)],
    ["points held", `${formatValue(held)} of ${formatValue(limit)}`],
    ["spans taken", formatValue(spans)],
    ...Object.entries(dropped).map(([why, count]) => [`dropped: ${why}`, formatValue(count)] as const),
  ];
  const rows = semantics.map(({ name, rule, cites, confirmed }) =>
    h(
      "tr",
      {},
      h("td", {}, name),
      h("td", {}, rule),
      h("td", { class: "soft" }, cites),
      h("td", {}, confirmed ? "yes" : h("span", { class: "pill tone-warn" }, "unconfirmed")),
    ),
  );
  return h(
    "div",
    {},
    h(
      "p",
      { class: "banner" },
      `${notice} What it cannot evaluate it refuses, by name. It holds a bounded number of points; the oldest go first.`,
    ),
    h(
      "div",
      { class: "panel" },
      h(
        "dl",
        { class: "counts" },
        counts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
      ),
    ),
    panelOf("what is done here as Datadog does it", ["What", "As it is done here", "Known from", "Confirmed"], rows),
  );
}

/** The webhooks that were sent, and their responses. */
export function viewWebhooks({ webhooks }: StateView): HTMLElement {
  const rows = webhooks.map(({ at, name, transition, group, monitor, attempts, answer, delivered }) =>
    h(
      "tr",
      { "data-testid": "webhook-row" },
      h("td", { class: "soft" }, formatTime(at)),
      h("td", {}, name),
      h("td", {}, transition),
      h("td", {}, group),
      h("td", {}, monitor),
      h("td", {}, attempts),
      h("td", {}, delivered ? pill("OK") : pill("Alert"), ` ${answer}`),
    ),
  );
  if (rows.length === 0)
    return h("p", { class: "empty" }, "No webhook was sent so far: a monitor sends one when it goes to alert.");
  return panelOf("webhooks", ["At", "Webhook", "Transition", "Group", "Monitor", "Tries", "Answer"], rows);
}
