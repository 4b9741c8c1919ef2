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
  spendfuse budget request BUDGET AMOUNT asks an operator for a raise: nothing changes until one approves it
    --wait T      waits so long for the answer; the exit code is 0 only if it is approved. Also --scope, --run, --reason, --by
  spendfuse budget requests              those that wait for an answer; --all: also those answered or over
  spendfuse budget approve ID            raises the cap by what was asked, or by --amount N
  spendfuse budget deny ID               with --reason
  spendfuse budget reload                the breaker, and all processes of its store, read their configuration again and take
                                         its budgets; a wrong one changes nothing. SIGHUP does it for one breaker or proxy

  spendfuse budget replay                what the configuration's budgets would have stopped, and when: what it would have saved,
                                         and which runs that finished it would have broken
    --usd 5 --per run --scope agent:*    tries this cap instead
  spendfuse budget suggest               caps from what each agent spent, with the share of runs that each would stop
    --per run|hour|day|month; --of agent a kind of scope, or a declared tag
    --calls FILE  both read these settled calls (spendfuse proxy --calls; onCall), a JSON object a line; repeatable. Without it:
                  the store's last 30 days (hours and runs need calls), and what its budgets per run have counted
    --from DAY --to DAY, --db FILE       as in spendfuse report: where there is a bill, its amounts count

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
  wait: { type: "string" },
  all: { type: "boolean" },
  amount: { type: "string" },
  usd: { type: "string" },
  per: { type: "string" },
  of: { type: "string" },
  calls: { type: "string", multiple: true },
  from: { type: "string" },
  to: { type: "string" },
  db: { type: "string" },
  url: { type: "string" },
  store: { type: "string" },
  limit: { type: "string" },
  json: { type: "boolean" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "budget",
  summary: "list, raise, lower, reset budgets and pause agents while they run; try caps on the past",
  help: HELP,
  options: OPTIONS,
  positionals: true,
  run: async (values, words) => (await import("./budget/run.ts")).run(values, words),
});
