import { type Node, variableOf } from "../node.ts";
import { SCHEMA } from "./schema.ts";

/** An environment variable that sets one key. */
export interface KeyVariable {
  readonly name: string;
  /** One or two names: `["breaker", "url"]`. */
  readonly path: readonly string[];
}

/** An environment variable that is no key. Those of vendors come from `src/billing/vendors/`. */
export interface OtherVariable {
  readonly name: string;
  readonly description: string;
}

/** Every key of at most two names that one string can set: single values, and lists of strings, separated by commas. */
export const KEY_VARIABLES: readonly KeyVariable[] = keyVariables(SCHEMA.keys, []);

function keyVariables(keys: Readonly<Record<string, Node>>, above: readonly string[]): readonly KeyVariable[] {
  return Object.entries(keys).flatMap(([key, node]) => {
    const path = [...above, key];
    if (node.kind === "object") return path.length < 2 ? keyVariables(node.keys, path) : [];
    if (node.kind === "map" || (node.kind === "array" && node.items.kind !== "string")) return [];
    return [{ name: node.variable ?? variableOf(path), path }];
  });
}

export const OTHER_VARIABLES: readonly OtherVariable[] = [
  { name: "SPENDFUSE_CONFIG", description: "Path of the configuration file, or the JSON itself." },
  {
    name: "SPENDFUSE_STRICT",
    description: "`1`: an invalid configuration, an unknown key or an unknown `SPENDFUSE_*` variable ends the process.",
  },
  { name: "SPENDFUSE_QUIET", description: "`1`: no line at start that lists what is on." },
  { name: "SPENDFUSE_DEBUG", description: "`1`: one line per call, and faults with their stacks, on stderr." },
  {
    name: "SPENDFUSE_WEBHOOK_SECRET",
    description: "Secret of the breaker's webhooks; two, with a comma, while one is replaced.",
  },
  { name: "SPENDFUSE_WEBHOOK_BASIC", description: "`USER:PASSWORD` of the breaker's webhooks, instead of a secret." },
  { name: "SPENDFUSE_OPERATOR_TOKEN", description: "Bearer token of who trips and resets circuits." },
  {
    name: "SPENDFUSE_PROXY_TOKEN",
    description: "What requests to `spendfuse proxy` have to carry; needed where other machines can reach it.",
  },
  {
    name: "SPENDFUSE_PROXY_URL",
    description: "Set for programs that are started behind a proxy of ours: calls to it are metered there.",
  },
  {
    name: "SPENDFUSE_SCOPE",
    description: "Set for processes and threads that are started in a scope: theirs is inside of it. W3C baggage.",
  },
  {
    name: "SPENDFUSE_STATE_DIR",
    description:
      "Where exports wait that could not be sent, and where estimates are kept. Default: `<tmp>/spendfuse-<uid>`.",
  },
  { name: "SPENDFUSE_EXIT_SENDER", description: "`0`: no process is started at exit to send the last interval." },
  { name: "SPENDFUSE_DD_TRACES", description: "`1`: spans go to Datadog's intake too, which Datadog may bill." },
  { name: "SPENDFUSE_DD_OTLP_URL", description: "Address of Datadog's OTLP intake, instead of the one of `DD_SITE`." },
  { name: "SPENDFUSE_DD_API_URL", description: "Address of Datadog's API, instead of the one of `DD_SITE`." },
];
