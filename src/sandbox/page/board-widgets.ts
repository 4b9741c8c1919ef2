import type { DrawAnswer, EventsAnswer, EventView, StateView } from "../view.ts";
import { ask } from "./ask.ts";
import { fill, h } from "./dom.ts";
import { spanOf } from "./span.ts";
import * as types from "./widgets/registry.ts";
import type { Definition, WidgetRequest, WidgetType, WidgetView } from "./widgets/widget.ts";

/** A widget of a dashboard, as its JSON has it. */
export interface PlacedWidget {
  readonly definition: Definition & { readonly widgets?: readonly PlacedWidget[] };
  readonly layout?: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
}

/** A widget on the page, and its elements. */
export interface WidgetCell {
  readonly definition: Definition;
  readonly box: HTMLElement;
  readonly body: HTMLElement;
  readonly view: WidgetView;
}

/** What the user selected: a key of `LIVE`, and values of template variables by name. */
export interface Selection {
  range: string;
  readonly variables: Record<string, string>;
}

const TYPES = new Map<string, WidgetType>(Object.values(types).map((type) => [type.name, type]));
const POINTS = 90;
const SPARKLINE_POINTS = 40;
const TONES: readonly (readonly [RegExp, string])[] = [
  [/green/, "--ok"],
  [/orange|yellow/, "--warn"],
  [/pink|red/, "--bad"],
  [/blue|purple/, "--accent"],
];

/** The element of a widget or a group, in a grid of that many columns. Widgets that can be drawn are added to `cells`. */
export function placeWidget(
  { definition, layout = { x: 0, y: 0, width: 12, height: 2 } }: PlacedWidget,
  columns: number,
  cells: WidgetCell[],
): HTMLElement {
  const inner =
    definition.type === "group" ? createGroup(definition, layout.width, cells) : createWidget(definition, cells);
  const width = Math.min(layout.width, columns);
  return h("div", { class: "cell", "--x": layout.x, "--y": layout.y, "--w": width, "--h": layout.height }, inner);
}

function createGroup(definition: PlacedWidget["definition"], columns: number, cells: WidgetCell[]): HTMLElement {
  const tone = TONES.find(([pattern]) => pattern.test(String(definition.background_color)))?.[1];
  const widgets = (definition.widgets ?? []).map((widget) => placeWidget(widget, columns, cells));
  return h(
    "section",
    { class: "group", "--tone": tone && `var(${tone})` },
    h("h2", {}, definition.title ?? ""),
    h("div", { class: "grid", "--columns": columns }, widgets),
  );
}

function createWidget(definition: Definition, cells: WidgetCell[]): HTMLElement {
  // It may scroll, also by keyboard.
  const body = h("div", {
    class: "body",
    tabindex: 0,
    role: "group",
    "aria-label": definition.title ?? definition.type,
  });
  const box = h(
    "div",
    { class: "widget", "data-testid": "widget", "data-type": definition.type },
    definition.title && h("h3", { title: definition.title }, definition.title),
    body,
  );
  const type = TYPES.get(definition.type);
  if (type === undefined) fill(body, h("p", { class: "fault" }, `The sandbox does not draw ${definition.type}.`));
  else cells.push({ definition, box, body, view: type.create(body) });
  return box;
}

/** Queries the data of a widget and draws it, or the first fault. */
export async function drawWidget(cell: WidgetCell, { range, variables }: Selection, state: StateView): Promise<void> {
  const { definition, view, box, body } = cell;
  const { from, to } = spanOf(definition.time, range, state.now);
  const asked = (definition.requests ?? []).map((request) => ({ request, from, to, variables, points: POINTS }));
  const [first] = asked;
  // The sparkline behind a figure is the same query over time.
  if (definition.type === "query_value" && first)
    asked.push({ ...first, request: overTime(first.request), points: SPARKLINE_POINTS });
  const answers = await Promise.all(asked.map((query) => ask<DrawAnswer>("/sandbox/draw", query)));
  const fault = answers.slice(0, definition.requests?.length ?? 0).find((answer) => answer.fault !== undefined)?.fault;
  const events = await readEvents(definition, from, to);
  if (fault === undefined) view.draw({ definition, answers, events, state, from, to });
  else fill(body, h("p", { class: "fault" }, fault));
  box.dataset.drawn = "true";
}

/** The events that a graph is overlaid with: its `events` are queries of the event stream. */
async function readEvents({ events = [] }: Definition, from: number, to: number): Promise<readonly EventView[]> {
  const answers = (events as readonly { readonly q: string }[]).map(({ q }) => {
    return ask<EventsAnswer>(`/sandbox/events?q=${encodeURIComponent(q)}&from=${from}&to=${to}`);
  });
  return (await Promise.all(answers)).flatMap((answer) => answer.events);
}

function overTime(request: WidgetRequest): WidgetRequest {
  return { ...request, response_format: "timeseries" };
}
