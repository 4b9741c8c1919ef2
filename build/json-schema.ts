import { FORMS } from "../src/config/forms.ts";
import type { Node } from "../src/config/node.ts";
import { SCHEMA } from "../src/config/schema/schema.ts";
import { KEY_VARIABLES } from "../src/config/schema/variables.ts";
import { print } from "./json-text.ts";

/** The text of `config.schema.json`: the schema in JSON Schema, draft 7. */
export function jsonSchema(): string {
  const { properties, ...rest } = schemaOf(SCHEMA, []) as { properties: object };
  return `${print(
    {
      $schema: "http://json-schema.org/draft-07/schema#",
      title: "spendfuse.config.json",
      ...rest,
      properties: { $schema: { type: "string" }, ...properties },
    },
    "",
  )}\n`;
}

function schemaOf(node: Node, path: readonly string[]): object {
  const { default: fallback, examples } = node;
  return {
    ...shapeOf(node, path),
    ...(fallback !== undefined && { default: fallback }),
    description: describe(node, path),
    ...(examples && { examples }),
  };
}

function shapeOf(node: Node, path: readonly string[]): object {
  switch (node.kind) {
    case "string":
      return { type: "string", pattern: FORMS[node.form ?? "text"].pattern };
    case "boolean":
      return { type: "boolean" };
    case "enum":
      return { type: "string", enum: node.values };
    case "number":
      return { type: node.integer ? "integer" : "number", minimum: node.minimum, maximum: node.maximum };
    case "array":
      return {
        type: "array",
        ...(node.most !== undefined && { maxItems: node.most }),
        items: schemaOf(node.items, [...path, "[]"]),
      };
    case "map":
      return {
        type: "object",
        ...(node.names && { propertyNames: { pattern: FORMS[node.names].pattern } }),
        additionalProperties: schemaOf(node.values, [...path, "*"]),
      };
    case "object":
      return {
        type: "object",
        additionalProperties: false,
        ...(node.required && { required: node.required }),
        ...(node.anyOf && { anyOf: node.anyOf.map((key) => ({ required: [key] })) }),
        properties: Object.fromEntries(
          Object.entries(node.keys).map(([key, child]) => [key, schemaOf(child, [...path, key])]),
        ),
      };
  }
}

/** Editors show a description as plain text. */
function describe(node: Node, path: readonly string[]): string {
  const variable = KEY_VARIABLES.find((one) => one.path.join() === path.join());
  return (node.description ?? "").replaceAll("`", "") + (variable === undefined ? "" : ` Also ${variable.name}.`);
}
