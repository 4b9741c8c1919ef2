import type { StateView } from "../view.ts";
import { ask } from "./ask.ts";
import { drawWidget, type PlacedWidget, placeWidget, type Selection, type WidgetCell } from "./board-widgets.ts";
import { h } from "./dom.ts";
import { LIVE } from "./span.ts";

interface Dashboard {
  readonly title: string;
  readonly widgets: readonly PlacedWidget[];
  readonly template_variables?: readonly Variable[];
}

interface Variable {
  readonly name: string;
  readonly prefix?: string;
}

/** A dashboard on the page. */
export interface Board {
  readonly element: HTMLElement;
  refresh(state: StateView): Promise<void>;
  dispose(): void;
}

interface BoardState {
  readonly cells: readonly WidgetCell[];
  readonly selection: Selection;
  drawing: boolean;
  /** What to draw next; undefined when it is drawn already. */
  next: StateView | undefined;
}

const COLUMNS = 12;

/** Rejects when there is no such dashboard. Calls `changed` when the selected range or a variable changes. */
export async function openBoard(id: string, changed: () => void): Promise<Board> {
  const dashboard = await ask<Dashboard>(`/sandbox/dashboards/${id}`);
  const cells: WidgetCell[] = [];
  const selection: Selection = { range: "4h", variables: {} };
  const state: BoardState = { cells, selection, drawing: false, next: undefined };
  const variables = dashboard.template_variables ?? [];
  return {
    element: h(
      "div",
      {},
      h(
        "div",
        { class: "controls" },
        h("label", {}, h("span", {}, "time"), rangeSelect(selection, changed)),
        variables.map((variable) => variableSelect(variable, selection, changed)),
      ),
      h(
        "div",
        { class: "board" },
        dashboard.widgets.map((widget) => placeWidget(widget, COLUMNS, cells)),
      ),
    ),
    refresh: (view) => refresh(state, view),
    dispose() {
      for (const { view } of cells) view.dispose?.();
    },
  };
}

function rangeSelect(selection: Selection, changed: () => void): HTMLSelectElement {
  const select = h(
    "select",
    { "aria-label": "time range" },
    Object.keys(LIVE).map((name) => h("option", { value: name, selected: name === selection.range }, name)),
  );
  select.addEventListener("change", () => {
    selection.range = select.value;
    changed();
  });
  return select;
}

function variableSelect({ name, prefix }: Variable, selection: Selection, changed: () => void): HTMLElement {
  const select = h("select", { "aria-label": name, "data-variable": name });
  select.append(h("option", { value: "*" }, "*"));
  select.addEventListener("change", () => {
    selection.variables[name] = select.value;
    changed();
  });
  void fillOptions(select, prefix ?? name);
  return h("label", {}, h("span", {}, name), select);
}

async function fillOptions(select: HTMLSelectElement, key: string): Promise<void> {
  const { values } = await ask<{ values: readonly string[] }>(`/sandbox/tags?key=${encodeURIComponent(key)}`);
  for (const value of values.slice(0, 500)) select.append(h("option", { value }, value));
}

/** Draws all widgets. Of calls made meanwhile only the latest state is drawn, afterwards. */
async function refresh(state: BoardState, view: StateView): Promise<void> {
  state.next = view;
  if (state.drawing) return;
  state.drawing = true;
  try {
    // Again when the selection changed meanwhile.
    for (let now = takeNext(state); now !== undefined; now = takeNext(state))
      for (const cell of state.cells) await drawWidget(cell, state.selection, now);
  } finally {
    state.drawing = false;
  }
}

function takeNext(state: BoardState): StateView | undefined {
  const { next } = state;
  state.next = undefined;
  return next;
}
