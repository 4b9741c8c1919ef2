import { type Command, defineCommand, type OptionValues } from "./command.ts";

const HELP = `spendfuse run: starts an agent program with its model calls metered, and capped.

  spendfuse run --usd 5 -- claude
  spendfuse run --agent nightly-review --usd 2 -- codex exec "review the last commit"

  --agent NAME    the agent of its calls; default: the program's own name
  --usd AMOUNT    the cap of this run in USD, sub-agents included, by spendfuse's prices: at 80 % a warning, then calls
                  are refused. A call whose price is not known passes, and is said
  --strict        refuses calls whose price is not known, as SPENDFUSE_STRICT=1 does; needs --usd

The program keeps the terminal, its signals and its exit code. A proxy on a free port of this machine carries its calls;
it is named in ANTHROPIC_BASE_URL, OPENAI_BASE_URL and GOOGLE_GEMINI_BASE_URL, and in an argument of Codex. Addresses that
these variables had before are where the calls go on to, unless "proxy" in spendfuse.config.json says more. What the run
spent is the last line on stderr, with the models that have no price. Calls on a subscription's login count at list price.`;

const OPTIONS = {
  agent: { type: "string" },
  usd: { type: "string" },
  strict: { type: "boolean" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "run",
  summary: "start an agent program with its calls metered, and capped by --usd",
  help: HELP,
  options: OPTIONS,
  positionals: true,
  run: async (values, words) => (await import("./run/run.ts")).run(values, words),
});
