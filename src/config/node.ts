import type { FormName } from "./forms.ts";

interface Described {
  /** What the key means, as editors, the JSON schema and the docs show it; not in the compiled schema. */
  readonly description?: string;
  /** What holds when the key is absent. */
  readonly default?: string | number | boolean;
  /** Valid values; messages use the first one as the fix. */
  readonly examples?: readonly unknown[];
  /** The environment variable, where it is not the one that {@link variableOf} derives from the key's path. */
  readonly variable?: string;
}

export interface StringNode extends Described {
  readonly kind: "string";
  /** Absent: any text that is not empty. */
  readonly form?: FormName;
}

export interface BooleanNode extends Described {
  readonly kind: "boolean";
}

export interface NumberNode extends Described {
  readonly kind: "number";
  readonly integer?: true;
  readonly minimum: number;
  readonly maximum: number;
}

export interface EnumNode extends Described {
  readonly kind: "enum";
  readonly values: readonly string[];
  /** Name of the exported TypeScript type. */
  readonly type?: string;
}

export interface ArrayNode extends Described {
  readonly kind: "array";
  readonly items: Node;
  /** The most items; absent: any number. */
  readonly most?: number;
}

/** An object with names of the user's own. */
export interface MapNode extends Described {
  readonly kind: "map";
  readonly names?: FormName;
  readonly values: StringNode;
}

export interface ObjectNode extends Described {
  readonly kind: "object";
  /** Name of the exported TypeScript type. */
  readonly type: string;
  readonly keys: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  /** At least one of these keys must be there. */
  readonly anyOf?: readonly string[];
}

/** A value of the configuration: plain data from which types, validator, JSON schema, variables and docs are derived. */
export type Node = StringNode | BooleanNode | NumberNode | EnumNode | ArrayNode | MapNode | ObjectNode;

/** `SPENDFUSE_` and the key's path in capitals: `breaker.url` is SPENDFUSE_BREAKER_URL. */
export function variableOf(path: readonly string[]): string {
  return `SPENDFUSE_${path.map((key) => key.replace(/[A-Z]/g, "_$&").toUpperCase()).join("_")}`;
}
