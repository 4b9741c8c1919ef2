import { colour } from "../charts.ts";
import { viewHierarchy } from "../hierarchy.ts";
import type { WidgetType } from "./widget.ts";

/** Parts of a whole as areas. */
export const treemap: WidgetType = {
  name: "treemap",
  create: (body) =>
    viewHierarchy(body, () => ({
      type: "treemap",
      roam: false,
      nodeClick: false,
      breadcrumb: { show: false },
      left: 0,
      right: 0,
      top: 0,
      bottom: 0,
      itemStyle: { borderColor: colour("--panel"), gapWidth: 2 },
      label: { fontSize: 12 },
      upperLabel: { show: true, height: 20, fontSize: 11 },
    })),
};
