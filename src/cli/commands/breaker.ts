import { DEFAULT_PORT } from "../../breaker/server.ts";
import { DEFAULT_STORE, eitherOf, STORE_FORMS } from "../../stores/addresses.ts";
import { type Command, defineCommand, type OptionValues } from "./command.ts";

const HELP = `spendfuse breaker: receives the webhooks of Datadog monitors and opens the circuits of overspending scopes.

  spendfuse breaker                 serves until stopped
    --port N      the port; default ${DEFAULT_PORT}
    --host H      the address; default 127.0.0.1. Others need a webhook secret and an operator token
    --store S     ${eitherOf(STORE_FORMS)}; default: the configuration's, else ${DEFAULT_STORE}.
                  The other commands change that store directly, without a breaker
    --ttl T       how long a trip lasts, such as 15m
  spendfuse breaker status          the circuits that are not closed, and what budgets have spent
  spendfuse breaker trip SCOPE      stops agent:NAME, team:NAME, root_agent:, project:, key: or all
    --ttl T, --reason TEXT, --by NAME
  spendfuse breaker reset SCOPE     closes the circuit
  spendfuse breaker log             who changed what, and why
  spendfuse breaker template        what to enter in Datadog

    --url U       the breaker to ask; default: the configuration's, else http://127.0.0.1:${DEFAULT_PORT}
    --limit N     rows to show; default 50
    --json        the raw response

From the environment: SPENDFUSE_WEBHOOK_SECRET (two, comma-separated, during a rotation), SPENDFUSE_WEBHOOK_BASIC
(USER:PASSWORD), SPENDFUSE_OPERATOR_TOKEN, SPENDFUSE_BREAKER_URL, SPENDFUSE_STORE.`;

const OPTIONS = {
  port: { type: "string" },
  host: { type: "string" },
  store: { type: "string" },
  ttl: { type: "string" },
  url: { type: "string" },
  reason: { type: "string" },
  by: { type: "string" },
  limit: { type: "string" },
  json: { type: "boolean" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "breaker",
  summary: "receive Datadog's alerts and stop agents; status, trip, reset, log, template",
  help: HELP,
  options: OPTIONS,
  positionals: true,
  run: async (values, words) => (await import("./breaker/run.ts")).run(values, words),
});
