import { KEY_VARIABLES, SCHEMA } from "./compiled.ts";
import type { Node } from "./node.ts";
import { isRecord } from "./suggestion.ts";
import { type Problem, validate } from "./validator.ts";

export type Env = Readonly<Record<string, string | undefined>>;

/** Configuration keys from the environment. An empty variable counts as unset. */
export function readVariables(env: Env, problems: Problem[]): Readonly<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const [name, path] of Object.entries(KEY_VARIABLES)) {
    const text = env[name]?.trim();
    if (!text) continue;
    const node = nodeAt(path);
    const value = parse(node, text);
    validate(node, value, name, problems);
    const [section = "", key] = path;
    if (key === undefined) found[section] = value;
    else found[section] = { ...(isRecord(found[section]) && found[section]), [key]: value };
  }
  return found;
}

function nodeAt(path: readonly string[]): Node {
  return path.reduce<Node>((node, key) => (node.kind === "object" && node.keys[key]) || node, SCHEMA);
}

/** The value parsed from a text; the text itself where it cannot be parsed. */
function parse(node: Node, text: string): unknown {
  switch (node.kind) {
    case "boolean":
      return readBoolean(text) ?? text;
    case "number":
      return Number.isNaN(Number(text)) ? text : Number(text);
    case "array":
      return text.split(",").flatMap((item) => item.trim() || []);
    default:
      return text;
  }
}

/** `1`, `true`, `on`, `yes` and their opposites, in any case; undefined for another text. */
export function readBoolean(text: string): boolean | undefined {
  if (/^(1|true|on|yes)$/i.test(text)) return true;
  return /^(0|false|off|no)$/i.test(text) ? false : undefined;
}

/** The service's name is the fallback when no agent is set. */
export function serviceOf(env: Env): string | undefined {
  return env.DD_SERVICE?.trim() || env.OTEL_SERVICE_NAME?.trim() || undefined;
}
