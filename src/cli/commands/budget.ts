import { DEFAULT_PORT } from "../../breaker/server.ts";
import { eitherOf, SHARED_STORE_FORMS } from "../../stores/addresses.ts";
import { type Command, defineCommand, type OptionValues } from "./command.ts";

const HELP = `spendfuse budget: shows and changes budgets while agents run, without a restart.

  spendfuse budget list                  what each budget has spent, and its cap now
  spendfuse budget show BUDGET           the same of one, and who changed it
  spendfuse budget raise BUDGET AMOUNT   raises the cap until the window ends: USD, tokens or calls, as the budget counts
  spendfuse budget lower BUDGET AMOUNT   lowers it likewise
  spendfuse budget reset BUDGET          raises the cap by what is spent: the window begins again
    --scope S     which of a budget's scopes, such as agent:researcher; --run ID for a budget per run
    --reason TEXT why (needed); --by NAME who, default: $USER
  spendfuse budget pause SCOPE           refuses calls of agent:NAME, team:NAME, … or all
    --for T       for how long, such as 8h; default 15m
  spendfuse budget resume SCOPE          allows them again
  spendfuse budget reload                the breaker, and all processes of its store, read their configuration again and take
                                         its budgets; a wrong one changes nothing. SIGHUP does it for one breaker or proxy

    --url U       the breaker to ask; default: the configuration's, else http://127.0.0.1:${DEFAULT_PORT}
    --store S     changes ${eitherOf(SHARED_STORE_FORMS)} directly, without a breaker
    --limit N     rows to show; default 50
    --json        the raw response

Budgets are those of the configuration: of the breaker's, or with --store of the one found here.
From the environment: SPENDFUSE_OPERATOR_TOKEN, SPENDFUSE_BREAKER_URL.`;

const OPTIONS = {
  scope: { type: "string" },
  run: { type: "string" },
  reason: { type: "string" },
  by: { type: "string" },
  for: { type: "string" },
  url: { type: "string" },
  store: { type: "string" },
  limit: { type: "string" },
  json: { type: "boolean" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "budget",
  summary: "list, raise, lower, reset budgets and pause agents while they run",
  help: HELP,
  options: OPTIONS,
  positionals: true,
  run: async (values, words) => (await import("./budget/run.ts")).run(values, words),
});
