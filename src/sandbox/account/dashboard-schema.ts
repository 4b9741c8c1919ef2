import type { Body } from "./answer.ts";

/** What Datadog refuses in a dashboard's tags, template variables and their presets, in its own words. */
export function templateFault(body: Body): string | undefined {
  for (const tag of listOf(body.tags))
    if (!String(tag).startsWith("team:")) return "Invalid tag format. Valid tag keys are: team.";
  for (const variable of listOf(body.template_variables) as readonly Body[]) {
    const { default: one, defaults } = variable;
    if (isThere(one) && isThere(defaults)) return "'template_variables' is invalid";
    const fault = listFault("defaults", defaults);
    if (fault !== undefined) return fault;
  }
  for (const preset of listOf(body.template_variable_presets) as readonly Body[]) {
    for (const variable of listOf(preset.template_variables) as readonly Body[]) {
      const { value, values } = variable;
      if (isThere(value) && isThere(values)) return `'template_variables' value '${asPython(variable)}' is invalid`;
      const fault = listFault("values", values);
      if (fault !== undefined) return fault;
    }
  }
  return undefined;
}

function listFault(name: string, value: unknown): string | undefined {
  if (!Array.isArray(value)) return undefined;
  if (value.length === 0) return `Minimum number of elements in parameter '${name}' should be 1`;
  return value.includes("") ? `Minimum length of parameter '${name}' should be 1` : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** As Datadog's messages write a value: in Python's words. */
function asPython(value: unknown): string {
  if (typeof value === "string") return `'${value}'`;
  if (Array.isArray(value)) return `[${value.map(asPython).join(", ")}]`;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return String(value);
  const parts = Object.entries(value as Body).map(([key, inner]) => `'${key}': ${asPython(inner)}`);
  return `{${parts.join(", ")}}`;
}
