import type { StateView } from "../view.ts";
import { ask } from "./ask.ts";
import { confirm } from "./confirm.ts";
import { h, panelOf } from "./dom.ts";
import { pill } from "./pill.ts";

/** Circuits that are not closed, and what an operator may do. */
export function viewCircuits(
  { circuits: { why, circuits, operable } }: StateView,
  outcome: string,
  tell: (text: string) => void,
): HTMLElement {
  const change = (verb: "trip" | "reset", scope: string): void =>
    confirm(
      {
        title: verb === "trip" ? `Stop ${scope}?` : `Reset ${scope}?`,
        effect: () =>
          verb === "trip"
            ? `Every call of ${scope} is refused, for as long as the breaker's trips last. Calls under way go on.`
            : `Calls of ${scope} are allowed again at once, and so are those of the same incident. A monitor that still alerts stops them again with its next webhook.`,
        action: verb === "trip" ? "Trip" : "Reset",
        reasonNeeded: false,
      },
      async ({ reason, by }) => {
        const { state } = await ask<{ state: string }>(`/sandbox/circuits/${verb}`, { scope, reason, by });
        tell(`${scope}: ${state}`);
      },
    );
  const input = h("input", { placeholder: "agent:researcher", "aria-label": "scope to trip" });
  const form = h(
    "form",
    {
      class: "row",
      onsubmit: (event) => {
        event.preventDefault();
        if (input.value.trim() !== "") change("trip", input.value.trim());
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
          h(
            "button",
            {
              type: "button",
              "data-testid": "reset",
              "aria-label": `Reset ${scope}`,
              onclick: () => change("reset", scope),
            },
            "Reset",
          ),
      ),
    ),
  );
  return h(
    "div",
    {},
    why && h("p", { class: "banner" }, why),
    operable && form,
    outcome !== "" && h("p", { class: "banner", role: "status" }, outcome),
    rows.length === 0
      ? h("div", { class: "panel" }, h("p", { class: "empty" }, "Every circuit is closed."))
      : panelOf("circuits", ["State", "Scope", "Until", "By", "Why", "Actions"], rows),
  );
}
