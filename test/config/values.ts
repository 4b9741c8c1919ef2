import type { Node } from "../../src/config/node.ts";
import { SCHEMA } from "../../src/config/schema/schema.ts";
import { exampleOf } from "../../src/config/suggestion.ts";

/** A key of the schema, and how to put a value there: `budgets[].usd` is in a valid row. */
export interface Place {
  readonly path: string;
  readonly name: string;
  readonly node: Node;
  /** The names beside it. */
  readonly siblings: readonly string[];
  /** A valid configuration that has `value` under `name` at this place, instead of the key itself. */
  with(name: string, value: unknown): Readonly<Record<string, unknown>>;
}

/** Every key of the schema, at every depth. */
export function places(): readonly Place[] {
  return placesOf(SCHEMA, "", (object) => object as Readonly<Record<string, unknown>>);
}

type Wrap = (object: object) => Readonly<Record<string, unknown>>;

function placesOf(node: Node & { readonly kind: "object" }, above: string, wrap: Wrap): readonly Place[] {
  const siblings = Object.keys(node.keys);
  return Object.entries(node.keys).flatMap(([name, child]) => {
    const path = above === "" ? name : `${above}.${name}`;
    const base = exampleOf(node) as object;
    const rest = Object.fromEntries(Object.entries(above === "" ? {} : base).filter(([key]) => key !== name));
    const place: Place = {
      ...{ path, name, node: child, siblings },
      with: (key, value) => wrap({ ...rest, [key]: value }),
    };
    const inside = (value: unknown) => place.with(name, value);
    if (child.kind === "object") return [place, ...placesOf(child, path, inside)];
    if (child.kind !== "array" || child.items.kind !== "object") return [place];
    return [place, ...placesOf(child.items, `${path}[0]`, (row) => inside([row]))];
  });
}
