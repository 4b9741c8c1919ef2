import { nearest } from "../core/nearest.ts";
import type { Node } from "./schema/node.ts";
import { SCHEMA } from "./schema/schema.ts";
import { VENDOR_VARIABLES } from "./vendor-variables.ts";

/** An environment variable that says the value of one key. */
export interface KeyVariable {
  readonly name: string;
  /** The key's path, one or two names: `["breaker", "url"]`. */
  readonly path: readonly string[];
  readonly node: Node;
}

/** An environment variable that is no key of the configuration. Those of vendors are in `vendor-variables.ts`. */
export interface OtherVariable {
  readonly name: string;
  readonly says: string;
}

const PREFIX = "SPENDFUSE_";

/** `SPENDFUSE_` and the key's path in capitals: `breaker.url` is SPENDFUSE_BREAKER_URL. */
export function variableOf(path: readonly string[]): string {
  return PREFIX + path.map((key) => key.replace(/[A-Z]/g, "_$&").toUpperCase()).join("_");
}

/** Every key that one text can say: single values, and lists of texts, which are separated by commas. */
export const KEY_VARIABLES: readonly KeyVariable[] = keyVariables(SCHEMA.keys, []);

function keyVariables(keys: Readonly<Record<string, Node>>, above: readonly string[]): readonly KeyVariable[] {
  return Object.entries(keys).flatMap(([key, node]) => {
    const path = [...above, key];
    if (node.kind === "object") return keyVariables(node.keys, path);
    if (node.kind === "map" || (node.kind === "array" && node.items.kind !== "string")) return [];
    return [{ name: node.variable ?? variableOf(path), path, node }];
  });
}

export const OTHER_VARIABLES: readonly OtherVariable[] = [
  { name: "SPENDFUSE_CONFIG", says: "Path of the configuration file, or the JSON itself." },
  {
    name: "SPENDFUSE_STRICT",
    says: "`1`: an invalid configuration, an unknown key or an unknown `SPENDFUSE_*` variable ends the process.",
  },
  { name: "SPENDFUSE_QUIET", says: "`1`: no line at start that says what is on." },
  { name: "SPENDFUSE_DEBUG", says: "`1`: one line per call, and faults with their stacks, on stderr." },
  {
    name: "SPENDFUSE_WEBHOOK_SECRET",
    says: "Secret of the breaker's webhooks; two, with a comma, while one is replaced.",
  },
  { name: "SPENDFUSE_WEBHOOK_BASIC", says: "`USER:PASSWORD` of the breaker's webhooks, instead of a secret." },
  { name: "SPENDFUSE_OPERATOR_TOKEN", says: "Bearer token of who trips and resets circuits." },
  { name: "SPENDFUSE_STATE_DIR", says: "Where exports wait that could not be sent. Default: `<tmp>/spendfuse-<uid>`." },
  { name: "SPENDFUSE_EXIT_SENDER", says: "`0`: no process is started at exit to send the last interval." },
  { name: "SPENDFUSE_DD_TRACES", says: "`1`: spans go to Datadog's intake too, which Datadog may bill." },
  { name: "SPENDFUSE_DD_OTLP_URL", says: "Address of Datadog's OTLP intake, instead of the one of `DD_SITE`." },
  { name: "SPENDFUSE_DD_API_URL", says: "Address of Datadog's API, instead of the one of `DD_SITE`." },
];

/** Set by ourselves for processes of ours, or by the tests. */
const INTERNAL = /^SPENDFUSE_(SENDER$|TEST_|SCREENSHOTS$)/;

const NAMES: readonly string[] = [
  ...[...KEY_VARIABLES, ...OTHER_VARIABLES].map(({ name }) => name),
  ...VENDOR_VARIABLES,
];

/** The `SPENDFUSE_*` variables that are set and mean nothing, each with what was probably meant: `; did you mean …?`. */
export function unknownVariables(
  env: Readonly<Record<string, string | undefined>>,
): readonly { readonly name: string; readonly hint: string }[] {
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && env[name] && !NAMES.includes(name) && !INTERNAL.test(name))
    .map((name) => ({ name, hint: hintOf(name) }));
}

function hintOf(name: string): string {
  const ruled = KEY_VARIABLES.find(({ path }) => variableOf(path) === name);
  if (ruled !== undefined) return `; did you mean ${ruled.name}?`;
  const key = Object.keys(SCHEMA.keys).find((one) => variableOf([one]) === name);
  if (key !== undefined) return `; "${key}" has no variable of its own: set it in the file, or in SPENDFUSE_CONFIG`;
  const suffixes = new Map(NAMES.map((known) => [known.slice(PREFIX.length), known]));
  const near = nearest(name.slice(PREFIX.length), [...suffixes.keys()]);
  return near.length === 0 ? "" : `; did you mean ${near.map((suffix) => suffixes.get(suffix)).join(" or ")}?`;
}
