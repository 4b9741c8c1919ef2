import type { Asset } from "../assets.ts";
import type { Part } from "../widgets.ts";
import type { Fault, Lint } from "./lint.ts";

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly path: string;
}

const COLUMNS = 12;

/** Widgets of a fixed layout lie within its 12 columns and do not overlap. */
export const gridOverlap: Lint = {
  name: "grid-overlap",
  rule: "widgets lie side by side in 12 columns",
  kinds: ["dashboard"],
  style: true,
  *check({ json }) {
    if (json.layout_type === "ordered") yield* checkLevel(json, json.reflow_type === "fixed", "");
  },
};

function* checkLevel(level: Asset["json"], fixed: boolean, path: string): Iterable<Fault> {
  const boxes: Box[] = [];
  const widgets = (Array.isArray(level.widgets) ? level.widgets : []) as { definition?: Part; layout?: Part }[];
  for (const [index, { definition, layout }] of widgets.entries()) {
    const own = `${path}widgets[${index}]`;
    if (layout === undefined) {
      if (fixed) yield { path: own, message: 'has no layout, which "fixed" needs' };
    } else if (!fixed) yield { path: `${own}.layout`, message: 'must not be there unless reflow_type is "fixed"' };
    else {
      const box = { ...(layout as unknown as Omit<Box, "path">), path: own };
      yield* checkBox(box);
      const other = boxes.find((one) => overlap(one, box));
      if (other !== undefined) yield { path: `${own}.layout`, message: `lies over ${other.path}` };
      boxes.push(box);
    }
    if (definition?.widgets !== undefined) yield* checkLevel(definition, fixed, `${own}.definition.`);
  }
}

function* checkBox({ x, y, width, height, path }: Box): Iterable<Fault> {
  const whole = [x, y, width, height].every((value) => Number.isInteger(value) && value >= 0);
  if (!whole || width === 0 || height === 0)
    yield { path: `${path}.layout`, message: "needs whole x, y, width and height, none negative" };
  else if (x + width > COLUMNS) yield { path: `${path}.layout`, message: `ends in column ${x + width} of ${COLUMNS}` };
}

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
