import type { DrawAnswer, EventView, StateView } from "../../view.ts";
import type { ConditionalFormat, NumberFormat } from "../format.ts";

export interface Formula {
  readonly formula: string;
  readonly alias?: string;
  readonly number_format?: NumberFormat;
  readonly conditional_formats?: readonly ConditionalFormat[];
  readonly cell_display_mode?: string;
}

export interface WidgetRequest {
  readonly response_format?: string;
  readonly display_type?: string;
  readonly formulas?: readonly Formula[];
  readonly queries?: readonly unknown[];
  readonly conditional_formats?: readonly ConditionalFormat[];
}

export interface Definition {
  readonly type: string;
  readonly title?: string;
  readonly requests?: readonly WidgetRequest[];
  readonly [key: string]: unknown;
}

/** What a widget is drawn of: an answer for each of its requests. */
export interface Drawing {
  readonly definition: Definition;
  readonly answers: readonly DrawAnswer[];
  /** What the widget's `events` ask for, the newest first. */
  readonly events: readonly EventView[];
  readonly state: StateView;
  readonly from: number;
  readonly to: number;
}

/** A widget on the page. */
export interface WidgetView {
  draw(drawing: Drawing): void;
  dispose?(): void;
}

/** One type of widget. */
export interface WidgetType {
  readonly name: string;
  create(body: HTMLElement): WidgetView;
}

export function nameOf(group: readonly string[], otherwise: string): string {
  return group.length === 0 ? otherwise : group.join(" · ");
}
