import { compareStatus } from "../../view.ts";
import { fill, h } from "../dom.ts";
import { pill } from "../pill.ts";
import type { WidgetType } from "./widget.ts";

/** Monitors and how they are. */
export const manageStatus: WidgetType = {
  name: "manage_status",
  create(body) {
    return {
      draw({ definition, state }) {
        const tag = /tag:"?([^"\s]+)"?/.exec(String(definition.query ?? ""))?.[1];
        const shown = state.monitors.filter(({ tags }) => tag === undefined || tags.includes(tag));
        shown.sort(compareStatus);
        fill(
          body,
          h(
            "div",
            { class: "list" },
            shown.map(({ id, name, status, groups }) => {
              const alerting = groups.filter((group) => group.status === "Alert").map(({ group }) => group);
              return h(
                "div",
                {},
                h("span", {}, pill(status), " ", h("a", { href: `#monitors/${id}` }, name)),
                h("span", {}, alerting.slice(0, 3).join(", ")),
              );
            }),
          ),
        );
      },
    };
  },
};
