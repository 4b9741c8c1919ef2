import type { StateView } from "../view.ts";
import { ask } from "./ask.ts";
import { h } from "./dom.ts";
import { pill } from "./pill.ts";

/** Circuits that are not closed, and what an operator may do. */
export function viewCircuits(
  { circuits: { why, circuits, operable } }: StateView,
  outcome: string,
  tell: (text: string) => void,
): HTMLElement {
  const change = async (verb: "trip" | "reset", scope: string): Promise<void> => {
    try {
      const { state } = await ask<{ state: string }>(`/sandbox/circuits/${verb}`, { scope });
      tell(`${scope}: ${state}`);
    } catch (error) {
      tell((error as Error).message);
    }
  };
  const input = h("input", { placeholder: "agent:researcher", "aria-label": "scope to trip" });
  const form = h(
    "form",
    {
      class: "row",
      onsubmit: (event) => {
        event.preventDefault();
        void change("trip", input.value.trim());
      },
    },
    input,
    h("button", { type: "submit" }, "Trip"),
  );
  const rows = circuits.map(({ scope, state, until, source, reason }) =>
    h(
      "tr",
      { "data-testid": "circuit-row", "data-state": state, "data-scope": scope },
      h("td", {}, pill(state)),
      h("td", {}, scope),
      h("td", {}, until === undefined ? "" : `${new Date(until).toISOString().slice(11, 19)} UTC`),
      h("td", {}, source),
      h("td", {}, reason),
      h(
        "td",
        {},
        operable &&
          h("button", { type: "button", "data-testid": "reset", onclick: () => void change("reset", scope) }, "Reset"),
      ),
    ),
  );
  const head = ["State", "Scope", "Until", "By", "Why", ""].map((text) => h("th", {}, text));
  return h(
    "div",
    {},
    why && h("p", { class: "banner" }, why),
    operable && form,
    outcome !== "" && h("p", { class: "banner", role: "status" }, outcome),
    h(
      "div",
      { class: "panel" },
      rows.length === 0
        ? h("p", { class: "empty" }, "Every circuit is closed.")
        : h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)),
    ),
  );
}
