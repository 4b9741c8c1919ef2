import { type Command, defineCommand, type OptionValues } from "./command.ts";

/** What is proposed, in USD for each agent and hour. */
export const DEFAULT_CAP_USD = "20";

const HELP = `spendfuse init: writes spendfuse.config.json for the app in this folder, and says how to start it.

  spendfuse init              asks for a cap, whether it refuses calls, and where processes share it
  spendfuse init --yes        takes what is proposed: $${DEFAULT_CAP_USD} an hour for each agent, told but not refused

  --usd AMOUNT     the cap of each agent an hour; 0 for none
  --enforce        calls above the cap are refused; without it they are only recorded ("mode": "shadow")
  --store STORE    memory (one process), file:PATH (one host) or redis://HOST:PORT (a fleet)
  --force          replaces a file that is there`;

const OPTIONS = {
  yes: { type: "boolean", short: "y" },
  usd: { type: "string" },
  enforce: { type: "boolean" },
  store: { type: "string" },
  force: { type: "boolean" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "init",
  summary: "write spendfuse.config.json for this app, and say how to start it",
  help: HELP,
  options: OPTIONS,
  run: async (values) => (await import("./init/run.ts")).run(values),
});
