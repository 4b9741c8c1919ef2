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
    --poll-monitors  reads the states of monitors with the tag breaker:on every minute, for accounts that cannot call
                  this address: up to a minute later than a webhook, which is itself 2 to 4 minutes late.
                  Needs DD_API_KEY and DD_APP_KEY. --poll-every T sets the time between two readings
    --log-requests  a JSON line on stderr for each request: time, method, path, status, milliseconds, address
  spendfuse breaker status          the circuits that are not closed, and what budgets have spent
  spendfuse breaker trip SCOPE      stops agent:NAME, team:NAME, root_agent:, project:, key: or all
    --ttl T, --reason TEXT, --by NAME
  spendfuse breaker reset SCOPE     closes the circuit, and that of the root agent of the same name; names the monitors
                                    that still alert and would open it again
    --mute T      mutes them for this scope, such as 1h; needs DD_API_KEY and DD_APP_KEY
    --only        leaves the root agent's circuit as it is
  spendfuse breaker log             who changed what, and why
  spendfuse breaker template        what to enter in Datadog

    --url U       the breaker to ask; default: the configuration's, else http://127.0.0.1:${DEFAULT_PORT}
    --limit N     rows to show; default 50
    --json        the raw response

From the environment: SPENDFUSE_WEBHOOK_SECRET (two, comma-separated, during a rotation), SPENDFUSE_WEBHOOK_BASIC
(USER:PASSWORD), SPENDFUSE_OPERATOR_TOKEN, SPENDFUSE_BREAKER_URL, SPENDFUSE_STORE. With DD_API_KEY, trips, resets, stops
by budgets and raised caps are sent to Datadog's event stream; with DD_APP_KEY, too, muted monitors are noticed.`;

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
  "poll-monitors": { type: "boolean" },
  "poll-every": { type: "string" },
  "log-requests": { type: "boolean" },
  mute: { type: "string" },
  only: { type: "boolean" },
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
