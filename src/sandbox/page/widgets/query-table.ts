import { fill, h } from "../dom.ts";
import { formatValue, toneOf } from "../format.ts";
import { type Formula, nameOf, type WidgetType } from "./widget.ts";

/** A table of groups, with a column per formula. */
export const queryTable: WidgetType = {
  name: "query_table",
  create(body) {
    return {
      draw({ definition, answers }) {
        const formulas = definition.requests?.[0]?.formulas ?? [];
        const rows = answers[0]?.rows ?? [];
        if (rows.length === 0) return fill(body, h("p", { class: "empty" }, "No data"));
        const most = formulas.map((_, index) => Math.max(...rows.map(({ values }) => Math.abs(values[index] ?? 0))));
        const head = formulas.map(({ alias, formula }) => h("th", { class: "number", scope: "col" }, alias ?? formula));
        fill(
          body,
          h(
            "table",
            {},
            h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Group"), head)),
            h(
              "tbody",
              {},
              rows.map(({ group, values }) => {
                const cells = formulas.map((formula, index) => cell(formula, values[index], most[index] ?? 0));
                return h("tr", {}, h("td", {}, nameOf(group, "all")), cells);
              }),
            ),
          ),
        );
      },
    };
  },
};

function cell(formula: Formula, value: number | null | undefined, most: number): HTMLElement {
  const tone = toneOf(value, formula.conditional_formats);
  const share = formula.cell_display_mode === "bar" && most > 0 ? (Math.abs(value ?? 0) / most) * 100 : undefined;
  const style = share && `background:linear-gradient(to left, var(--bar) ${share.toFixed(1)}%, transparent 0)`;
  return h("td", { class: tone ? `number tone-${tone}` : "number", style }, formatValue(value, formula.number_format));
}
