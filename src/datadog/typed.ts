import type * as Datadog from "@datadog/datadog-api-client";
import type { Asset } from "./assets.ts";
import { isSame } from "./deploy/units.ts";
import type { Finding } from "./lint.ts";
import { widgetsOf } from "./widgets.ts";

type Serializer = (typeof Datadog)["v1"]["ObjectSerializer"];

const NAMES = { dashboard: "Dashboard", monitor: "Monitor" } as const;
const LINT = "client-types";

/**
 * Reads an asset with the client's own types: nothing may be left unread, no key may be unknown, and written again it
 * must be the same. Widgets are read one by one, because a fault inside a group is not located otherwise.
 */
export function checkTypes(
  asset: Asset,
  { ObjectSerializer }: { readonly ObjectSerializer: Serializer },
): readonly Finding[] {
  const { kind, json, file } = asset;
  const found: Finding[] = [];
  const fault = (path: string, message: string): void => void found.push({ file, path, message, lint: LINT });

  function read(value: unknown, type: string, path: string): unknown {
    try {
      const typed = ObjectSerializer.deserialize(value, type, "");
      for (const [inner, message] of faultsIn(typed)) fault([path, inner].filter(Boolean).join("."), message);
      return typed;
    } catch (error) {
      fault(path, (error as Error).message);
      return undefined;
    }
  }

  const typed = read(json, NAMES[kind], "");
  if (typed !== undefined && found.length === 0) {
    const again = ObjectSerializer.serialize(typed, NAMES[kind], "");
    if (!isSame(again, json)) fault("", "is not the same after it was read and written");
  }
  for (const { definition, path } of widgetsOf(json)) {
    const type = definition.type === "group" ? undefined : typeOf(String(definition.type));
    if (type !== undefined) read(definition, type, path);
  }
  return found;
}

/** `query_value` is read as a `QueryValueWidgetDefinition`. */
function typeOf(widget: string): string {
  const camel = widget.replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
  return `${SPECIAL[camel] ?? camel}WidgetDefinition`;
}

const SPECIAL: Readonly<Record<string, string>> = {
  ManageStatus: "MonitorSummary",
  Treemap: "TreeMap",
  QueryTable: "Table",
};

function* faultsIn(value: unknown, path = ""): Generator<readonly [string, string]> {
  if (typeof value !== "object" || value === null) return;
  const { _unparsed, additionalProperties } = value as { _unparsed?: boolean; additionalProperties?: object };
  if (_unparsed === true) yield [path, "is not understood by the client"];
  for (const key of Object.keys(additionalProperties ?? {})) yield [path, `has the unknown key "${key}"`];
  for (const [key, inner] of Object.entries(value)) {
    if (key === "additionalProperties") continue;
    yield* faultsIn(inner, Array.isArray(value) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`);
  }
}
