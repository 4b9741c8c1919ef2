import { type Command, defineCommand, type OptionValues } from "./command.ts";

const HELP = `spendfuse monitors test: plays scenarios on monitors, offline: spend over simulated time, and expected alerts.

  spendfuse monitors test [FILE…]   scenario files; all of --scenarios when none is named

  --monitors DIR    a monitors/ folder or its parent; default: the shipped monitors
  --scenarios DIR   where the scenario files are; default: scenarios/ of the package
  --json            machine-readable

A scenario file: { "monitor": "agent_hourly_spend", "scenarios": [{ "name": "…",
  "feed": [{ "tags": { "agent": "a" }, "from": "0m", "until": "40m", "total": 26 }], "until": "2h",
  "expect": [{ "at": "31m", "group": "agent:a", "transition": "Triggered", "webhooks": ["spendfuse"] }] }] }

It is not Datadog: what is known of its behaviour, and what is not, is listed in docs/sandbox.md.
The exit code is 0 when all expectations hold, 1 when not, 2 on invalid usage.`;

const OPTIONS = {
  monitors: { type: "string" },
  scenarios: { type: "string" },
  json: { type: "boolean" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "monitors",
  summary: "test: play spend over simulated time on the monitors, offline",
  help: HELP,
  options: OPTIONS,
  positionals: true,
  run: async (values, words) => (await import("./monitors/run.ts")).run(values, words),
});
