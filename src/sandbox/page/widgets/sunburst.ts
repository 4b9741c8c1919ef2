import { colour } from "../charts.ts";
import { viewHierarchy } from "../hierarchy.ts";
import type { WidgetType } from "./widget.ts";

/** Parts of a whole in rings. */
export const sunburst: WidgetType = {
  name: "sunburst",
  create: (body) =>
    viewHierarchy(body, () => ({
      type: "sunburst",
      radius: ["18%", "96%"],
      itemStyle: { borderColor: colour("--panel"), borderWidth: 1 },
      label: { minAngle: 16, fontSize: 11, overflow: "truncate", width: 56, rotate: "radial" },
      emphasis: { focus: "ancestor" },
    })),
};
