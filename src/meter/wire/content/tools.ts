import { array, type Json, object } from "../../../core/json.ts";
import { byteLength } from "../text.ts";

/** Definitions of functions, as far as vendors write them into a model's input: names, descriptions, types and choices. */
export interface ToolShape {
  count: number;
  /** Tools that the vendor runs itself, such as its web search. */
  served: number;
  /** Members of objects that are arguments, at every depth. */
  fields: number;
  /** UTF-8 bytes of names, descriptions and choices. */
  text: number;
}

/**
 * Measures the `tools` of a request, whatever envelope the format puts around each; undefined for none. `messages` may
 * bring more of them, as items of Responses do.
 */
export function shapeOf(tools: unknown, messages?: unknown): ToolShape | undefined {
  if (tools === undefined && messages === undefined) return undefined;
  let more: unknown[] | undefined;
  for (const message of array(messages)) {
    const added = object(message)?.tools;
    if (added !== undefined) more = [...(more ?? []), ...array(added)];
  }
  return more === undefined ? measureTools(tools) : measureTools([...array(tools), ...more]);
}

function measureTools(tools: unknown): ToolShape | undefined {
  if (tools === undefined || tools === null) return undefined;
  const shape: ToolShape = { count: 0, served: 0, fields: 0, text: 0 };
  for (const tool of array(tools)) measureTool(object(tool), shape);
  return shape;
}

function measureTool(tool: Json | undefined, shape: ToolShape): void {
  if (tool === undefined) return;
  for (const declared of array(tool.functionDeclarations ?? tool.function_declarations)) {
    measureTool(object(declared), shape);
  }
  if (tool.functionDeclarations !== undefined || tool.function_declarations !== undefined) return;
  const own = object(tool.function) ?? tool;
  const schema = own.parameters ?? own.input_schema ?? own.parametersJsonSchema ?? own.parameters_json_schema;
  if (schema === undefined && own.description === undefined && tool.type !== "function" && tool.type !== "custom") {
    shape.served += 1;
    return;
  }
  shape.count += 1;
  shape.text += lengthOf(own.name) + lengthOf(own.description);
  measureSchema(schema, shape, 0);
}

/** Deeper schemas are left out: no tool is described so. */
const MAX_DEPTH = 20;

function measureSchema(value: unknown, shape: ToolShape, depth: number): void {
  const schema = object(value);
  if (schema === undefined || depth > MAX_DEPTH) return;
  if (depth > 0) shape.text += lengthOf(schema.description);
  for (const choice of array(schema.enum)) shape.text += lengthOf(choice) + 2;
  const properties = object(schema.properties);
  for (const name in properties) {
    shape.fields += 1;
    shape.text += byteLength(name);
    measureSchema(properties[name], shape, depth + 1);
  }
  measureSchema(schema.items, shape, depth + 1);
  for (const key of ["anyOf", "oneOf", "allOf"]) {
    for (const one of array(schema[key])) measureSchema(one, shape, depth + 1);
  }
  const definitions = object(schema.$defs) ?? object(schema.definitions);
  for (const name in definitions) measureSchema(definitions[name], shape, depth + 1);
}

function lengthOf(value: unknown): number {
  return typeof value === "string" ? byteLength(value) : 0;
}
