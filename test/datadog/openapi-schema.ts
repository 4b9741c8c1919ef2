import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import { parse } from "yaml";
import { type Json, object } from "../../src/core/json.ts";
import { PACKAGE_ROOT } from "../../src/package/root.ts";

const FILE = join(PACKAGE_ROOT, "..", "shared", "datadog", "openapi-v1.yaml");

/** Whether Datadog's description of its API lies beside the checkout. */
export const hasOpenApi = existsSync(FILE);

/** Validates bodies by the names of Datadog's schemas. Keys that a schema does not list are refused. */
export function openSchemas(): (name: string) => ValidateFunction {
  const { components } = parse(readFileSync(FILE, "utf8")) as { readonly components: { readonly schemas: Json } };
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema({ $id: "datadog", components: { schemas: toJsonSchema(components.schemas) } });
  return (name) => ajv.getSchema(`datadog#/components/schemas/${name}`) as ValidateFunction;
}

/** OpenAPI 3.0 as JSON Schema: `nullable` is a type of its own there. */
function toJsonSchema(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(toJsonSchema);
  const json = object(node);
  if (json === undefined) return node;
  const { nullable, example: _, ...rest } = json;
  const schema: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(rest))
    schema[key] = key === "enum" || key === "default" ? value : toJsonSchema(value);
  if (object(schema.properties) !== undefined && schema.type === "object" && schema.additionalProperties === undefined)
    schema.additionalProperties = false;
  return nullable === true ? { anyOf: [schema, { type: "null" }] } : schema;
}
