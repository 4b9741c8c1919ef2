import { type Command, defineCommand, type OptionValues } from "./command.ts";

/** What rows may stand for. */
export const TOP_GROUPINGS = ["agent", "root_agent", "team", "project", "model"] as const;

const HELP = `spendfuse top: what each agent spends, while it does.

  spendfuse top                  since midnight UTC, from the configured store
    --store S                    another store, such as redis://HOST:PORT
  spendfuse top --listen [4318]  from metrics that it receives: start agents with
                                 OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318

  --by NAME       ${TOP_GROUPINGS.join(", ")}; default agent
  --every TIME    between two readings, such as 2s; default 1s
  --once          prints one table and ends, as it does where the output is no terminal
  --json          one line of JSON per reading
  --url U         the breaker that trips and resets; default: the store, else the configured breaker

Keys: s and S sort by the next and the previous column, / filters, the arrows select, t trips the circuit of the selected
agent, r resets it, q ends.`;

const OPTIONS = {
  store: { type: "string" },
  listen: { type: "boolean" },
  by: { type: "string" },
  every: { type: "string" },
  once: { type: "boolean" },
  json: { type: "boolean" },
  url: { type: "string" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "top",
  summary: "what each agent spends, live, from a store or from metrics that it receives",
  help: HELP,
  options: OPTIONS,
  positionals: true,
  run: async (values, words) => (await import("./top/run.ts")).run(values, words),
});
