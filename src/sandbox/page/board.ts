import type { DrawAnswer, StateView } from "../view.ts";
import { ask } from "./ask.ts";
import { fill, h } from "./dom.ts";
import { LIVE, spanOf } from "./span.ts";
import * as types from "./widgets/registry.ts";
import type { Definition, WidgetRequest, WidgetType, WidgetView } from "./widgets/widget.ts";

interface Placed {
  readonly definition: Definition & { readonly widgets?: readonly Placed[] };
  readonly layout?: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
}

interface Dashboard {
  readonly title: string;
  readonly widgets: readonly Placed[];
  readonly template_variables?: readonly { readonly name: string; readonly prefix?: string }[];
}

/** A widget on the page, and what it is drawn into. */
interface Drawn {
  readonly definition: Definition;
  readonly box: HTMLElement;
  readonly body: HTMLElement;
  readonly view: WidgetView;
}

/** A dashboard on the page. */
export interface Board {
  readonly element: HTMLElement;
  refresh(state: StateView): Promise<void>;
  dispose(): void;
}

const TYPES = new Map<string, WidgetType>(Object.values(types).map((type) => [type.name, type]));
const POINTS = 90;
const TONES: readonly (readonly [RegExp, string])[] = [
  [/green/, "--ok"],
  [/orange|yellow/, "--warn"],
  [/pink|red/, "--bad"],
  [/blue|purple/, "--accent"],
];

export async function openBoard(id: string, changed: () => void): Promise<Board> {
  const dashboard = await ask<Dashboard>(`/sandbox/dashboards/${id}`);
  const drawn: Drawn[] = [];
  const variables: Record<string, string> = {};
  let range = "4h";
  let drawing = false;
  let next: StateView | undefined;

  const selects = (dashboard.template_variables ?? []).map(({ name, prefix }) => {
    const select = h("select", { "aria-label": name, "data-variable": name });
    select.append(h("option", { value: "*" }, "*"));
    select.addEventListener("change", () => {
      variables[name] = select.value;
      changed();
    });
    void fillOptions(select, prefix ?? name);
    return h("label", {}, h("span", {}, name), select);
  });
  const ranges = h(
    "select",
    { "aria-label": "time range" },
    Object.keys(LIVE).map((name) => h("option", { value: name, selected: name === range }, name)),
  );
  ranges.addEventListener("change", () => {
    range = ranges.value;
    changed();
  });

  function place({ definition, layout = { x: 0, y: 0, width: 12, height: 2 } }: Placed, columns: number): HTMLElement {
    const inner = definition.type === "group" ? group(definition, layout.width) : widget(definition);
    const width = Math.min(layout.width, columns);
    return h("div", { class: "cell", "--x": layout.x, "--y": layout.y, "--w": width, "--h": layout.height }, inner);
  }

  function group(definition: Placed["definition"], columns: number): HTMLElement {
    const tone = TONES.find(([pattern]) => pattern.test(String(definition.background_color)))?.[1];
    const cells = (definition.widgets ?? []).map((one) => place(one, columns));
    return h(
      "section",
      { class: "group", "--tone": tone && `var(${tone})` },
      h("h2", {}, definition.title ?? ""),
      h("div", { class: "grid", "--columns": columns }, cells),
    );
  }

  function widget(definition: Definition): HTMLElement {
    const body = h("div", { class: "body" });
    const box = h(
      "div",
      { class: "widget", "data-testid": "widget", "data-type": definition.type },
      definition.title && h("h3", { title: definition.title }, definition.title),
      body,
    );
    const type = TYPES.get(definition.type);
    if (type === undefined) fill(body, h("p", { class: "fault" }, `The sandbox does not draw ${definition.type}.`));
    else drawn.push({ definition, box, body, view: type.create(body) });
    return box;
  }

  async function draw(one: Drawn, state: StateView): Promise<void> {
    const { definition, view, box, body } = one;
    const { from, to } = spanOf(definition.time, range, state.now);
    const asked = (definition.requests ?? []).map((request) => ({ request, from, to, variables, points: POINTS }));
    const [first] = asked;
    // The query behind a figure, over time.
    if (definition.type === "query_value" && first)
      asked.push({ ...first, request: overTime(first.request), points: 40 });
    const answers = await Promise.all(asked.map((order) => ask<DrawAnswer>("/sandbox/draw", order)));
    const fault = answers
      .slice(0, definition.requests?.length ?? 0)
      .find((answer) => answer.fault !== undefined)?.fault;
    if (fault === undefined) view.draw({ definition, answers, state, from, to });
    else fill(body, h("p", { class: "fault" }, fault));
    box.dataset.drawn = "true";
  }

  function take(): StateView | undefined {
    const taken = next;
    next = undefined;
    return taken;
  }

  return {
    element: h(
      "div",
      {},
      h("div", { class: "controls" }, h("label", {}, h("span", {}, "time"), ranges), selects),
      h(
        "div",
        { class: "board" },
        dashboard.widgets.map((one) => place(one, 12)),
      ),
    ),
    async refresh(state) {
      next = state;
      if (drawing) return;
      drawing = true;
      try {
        // Again when the selection changed meanwhile.
        for (let now = take(); now !== undefined; now = take()) for (const one of drawn) await draw(one, now);
      } finally {
        drawing = false;
      }
    },
    dispose: () => {
      for (const { view } of drawn) view.dispose?.();
    },
  };
}

function overTime(request: WidgetRequest): WidgetRequest {
  return { ...request, response_format: "timeseries" };
}

async function fillOptions(select: HTMLSelectElement, key: string): Promise<void> {
  const { values } = await ask<{ values: readonly string[] }>(`/sandbox/tags?key=${encodeURIComponent(key)}`);
  for (const value of values.slice(0, 500)) select.append(h("option", { value }, value));
}
