import { compareStatus, type MonitorView, type StateView } from "../view.ts";
import { h, panelOf } from "./dom.ts";
import { formatTime } from "./format.ts";
import { pill } from "./pill.ts";

const SHOWN = 8;

/** All monitors, the worst first. */
export function viewMonitors(
  { monitors }: StateView,
  open: ReadonlySet<number>,
  toggle: (id: number) => void,
): HTMLElement {
  const sorted = [...monitors].sort((a, b) => compareStatus(a, b) || a.name.localeCompare(b.name));
  const rows = sorted.map((monitor) => row(monitor, open.has(monitor.id), toggle));
  if (rows.length === 0)
    return h("p", { class: "empty" }, "There is no monitor: spendfuse sandbox loads those that spendfuse ships.");
  return panelOf("monitors", ["Status", "Monitor", "Groups", "Last transitions"], rows);
}

function row(monitor: MonitorView, open: boolean, toggle: (id: number) => void): HTMLElement {
  const { id, name, status, refused, groups, transitions, critical, query, message, priority } = monitor;
  const details = h(
    "details",
    { open, ontoggle: (event) => (event.target as HTMLDetailsElement).open !== open && toggle(id) },
    h("summary", {}, name),
    h("pre", {}, query),
    h("pre", {}, message),
  );
  return h(
    "tr",
    { "data-testid": "monitor-row", "data-status": status, "data-name": name },
    h("td", {}, refused === undefined ? pill(status) : pill("refused")),
    h(
      "td",
      {},
      details,
      h(
        "span",
        { class: "soft" },
        [priority && `P${priority}`, critical !== undefined && `limit ${critical}`].filter(Boolean).join(" · "),
      ),
      refused && h("p", { class: "fault" }, refused),
    ),
    h(
      "td",
      {},
      groups
        .slice(0, SHOWN)
        .map(({ group, status: own, value }) =>
          h(
            "div",
            {},
            pill(own),
            ` ${group} `,
            h("span", { class: "soft" }, value === undefined ? "" : String(Number(value.toPrecision(5)))),
          ),
        ),
      groups.length > SHOWN && h("div", { class: "soft" }, `and ${groups.length - SHOWN} more`),
    ),
    h(
      "td",
      {},
      transitions
        .slice(0, 5)
        .map(({ at, transition, group, notified }) =>
          h(
            "div",
            {},
            h("span", { class: "soft" }, formatTime(at)),
            ` ${transition} ${group} `,
            h("span", { class: "soft" }, notified.join(" ")),
          ),
        ),
    ),
  );
}
