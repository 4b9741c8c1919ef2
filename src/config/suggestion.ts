import { nearest } from "../core/nearest.ts";
import { FORMS } from "./forms.ts";
import type { Node, NumberNode, StringNode } from "./node.ts";

/** A valid value of a node, to show how one is written. */
export function exampleOf(node: Node): unknown {
  const given = node.examples?.[0] ?? node.default;
  if (given !== undefined) return given;
  switch (node.kind) {
    case "string":
      return FORMS[node.form ?? "text"].example;
    case "boolean":
      return true;
    case "number":
      return node.minimum;
    case "enum":
      return node.values[0];
    case "array":
      return [exampleOf(node.items)];
    case "map":
      return { name: exampleOf(node.values) };
    case "object":
      return Object.fromEntries((node.required ?? []).map((key) => [key, exampleOf(node.keys[key] as Node)]));
  }
}

/** The valid value that an invalid one was probably meant to be, else an example. */
export function suggest(node: Node, value: unknown): unknown {
  switch (node.kind) {
    case "boolean":
      return !/^(false|no|off|0)$/i.test(String(value));
    case "enum":
      return nearest(String(value), node.values)[0] ?? exampleOf(node);
    case "number":
      return numbersNear(node, value).find((one) => isWithin(node, one)) ?? exampleOf(node);
    case "string":
      return textsNear(node, value).find((one) => isWritten(node, one)) ?? exampleOf(node);
    case "array":
      return isRecord(value) && node.items.kind === "object" ? [value] : exampleOf(node);
    default:
      return exampleOf(node);
  }
}

export function isWithin({ minimum, maximum, integer }: NumberNode, value: number): boolean {
  return value >= minimum && value <= maximum && (integer !== true || Number.isInteger(value));
}

export function isWritten({ form = "text" }: StringNode, value: string): boolean {
  return new RegExp(FORMS[form].pattern).test(value);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A number that was written as a text, and a share that was written in percent. */
function numbersNear({ maximum }: NumberNode, value: unknown): readonly number[] {
  if (typeof value !== "number" && (typeof value !== "string" || value.trim() === "")) return [];
  const number = Number(value);
  return maximum <= 1 ? [number, number / 100] : [number];
}

/** A number for a text, blanks around it, milliseconds without their unit, an address without scheme, a host with one. */
function textsNear({ form }: StringNode, value: unknown): readonly string[] {
  if (typeof value !== "string" && typeof value !== "number") return [];
  const text = String(value).trim();
  if (form === "duration") return [text, `${text}ms`];
  if (form === "url" && !text.includes("@")) return [text, `http://${text}`];
  if (form === "host") return [URL.parse(text)?.host ?? ""];
  return form === undefined ? [text] : [];
}
