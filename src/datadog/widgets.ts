import type { Asset } from "./assets.ts";

export type Part = Readonly<Record<string, unknown>>;

/** A widget of a dashboard, and where it is. */
export interface Widget {
  readonly definition: Part;
  readonly layout: Part | undefined;
  /** Such as `widgets[2].definition`. */
  readonly path: string;
  /** Undefined at the top. */
  readonly group: Part | undefined;
}

/** A query of a widget's request. */
export interface WidgetQuery {
  readonly name: string;
  readonly query: string;
  readonly path: string;
}

export interface WidgetRequest {
  readonly queries: readonly WidgetQuery[];
  readonly formulas: readonly {
    readonly formula: string;
    readonly alias: unknown;
    readonly part: Part;
    readonly path: string;
  }[];
  readonly path: string;
}

/** All widgets, groups and what is inside of them. */
export function widgetsOf(dashboard: Asset["json"], group?: Part, path = ""): readonly Widget[] {
  return listOf(dashboard.widgets).flatMap((widget, index): readonly Widget[] => {
    const definition = (widget.definition ?? {}) as Part;
    const own = `${path}widgets[${index}].definition`;
    const self = { definition, layout: widget.layout as Part | undefined, path: own, group };
    return [self, ...widgetsOf(definition, definition, `${own}.`)];
  });
}

export function requestsOf({ definition, path }: Widget): readonly WidgetRequest[] {
  return listOf(definition.requests).map((request, index) => {
    const own = `${path}.requests[${index}]`;
    return {
      path: own,
      queries: listOf(request.queries).map(({ name, query }, at) => {
        return { name: String(name), query: String(query ?? ""), path: `${own}.queries[${at}]` };
      }),
      formulas: listOf(request.formulas).map((part, at) => {
        return { formula: String(part.formula ?? ""), alias: part.alias, part, path: `${own}.formulas[${at}]` };
      }),
    };
  });
}

function listOf(value: unknown): readonly Part[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "object" && one !== null) : [];
}
