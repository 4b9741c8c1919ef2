import { fill, h } from "../dom.ts";
import { formatValue, toneOf } from "../format.ts";
import { nameOf, type WidgetType } from "./widget.ts";

/** Groups by size, with a bar each. */
export const toplist: WidgetType = {
  name: "toplist",
  create(body) {
    return {
      draw({ definition, answers }) {
        const [request] = definition.requests ?? [];
        const [formula] = request?.formulas ?? [];
        const rows = answers[0]?.rows ?? [];
        const most = Math.max(...rows.map(({ values }) => Math.abs(values[0] ?? 0)));
        if (rows.length === 0) return fill(body, h("p", { class: "empty" }, "No data"));
        fill(
          body,
          h(
            "div",
            { class: "list" },
            rows.map(({ group, values: [value] }) => {
              const tone = toneOf(value, request?.conditional_formats);
              const width = most > 0 ? (Math.abs(value ?? 0) / most) * 100 : 0;
              return h(
                "div",
                { class: tone && `tone-${tone}` },
                !tone && h("i", { style: `width:${width.toFixed(1)}%` }),
                h("span", { title: nameOf(group, "") }, nameOf(group, formula?.alias ?? "")),
                h("span", {}, formatValue(value, formula?.number_format)),
              );
            }),
          ),
        );
      },
    };
  },
};
