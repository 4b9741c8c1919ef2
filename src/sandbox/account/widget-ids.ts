import { createHash } from "node:crypto";
import type { Body } from "./answer.ts";

/** A dashboard whose widgets all have ids, as Datadog answers it; tabs that say `@1` name the first widget. */
export function withWidgetIds(dashboard: Body, id: string): Body {
  let count = 0;
  const number = (widgets: unknown): unknown => {
    if (!Array.isArray(widgets)) return widgets;
    return (widgets as readonly Body[]).map((widget) => {
      count += 1;
      const definition = widget.definition as Body | undefined;
      const inner =
        definition?.widgets === undefined ? definition : { ...definition, widgets: number(definition.widgets) };
      return { ...widget, definition: inner, id: widget.id ?? idOf(id, count) };
    });
  };
  const widgets = number(dashboard.widgets) as readonly Body[];
  if (!Array.isArray(dashboard.tabs)) return { ...dashboard, widgets };
  const tabs = (dashboard.tabs as readonly Body[]).map((tab) => {
    const ids = (tab.widget_ids ?? []) as readonly unknown[];
    return { ...tab, widget_ids: ids.map((one) => resolve(one, widgets)) };
  });
  return { ...dashboard, widgets, tabs };
}

function resolve(id: unknown, widgets: readonly Body[]): unknown {
  const [, place] = /^@(\d+)$/.exec(String(id)) ?? [];
  return place === undefined ? id : (widgets[Number(place) - 1]?.id ?? id);
}

/** A number of 16 digits, the same for the same place. */
function idOf(dashboard: string, count: number): number {
  const hash = createHash("sha256").update(`${dashboard} ${count}`).digest();
  return 1_000_000_000_000_000 + (hash.readUIntBE(0, 6) % 8_000_000_000_000_000);
}
