import { type Command, defineCommand, type OptionValues } from "./command.ts";

const HELP = `spendfuse doctor: looks at an app and says what of it is metered, what is not, and what is wrong, with the fix.

  spendfuse doctor                  in the app's folder, with the environment it runs in

  --dir PATH     another folder
  --offline      asks no network
  --json         { findings, faults, notes, ok }; a finding is { group, id, level, subject, says, fix? }

It reads package.json and what is installed, the app's own sources, how it is started (scripts, Procfile, Dockerfile,
compose, pm2), the configuration, and .env. It asks only what the configuration names: the OTLP endpoint, with an empty
export; Datadog and the vendors, whether they take your keys; the store; the breaker. 3 seconds each, at once. Nothing of
the app's own is run or changed, no key is shown; a store that needs a package is asked through the app's own.

A fault is what is broken and can be mended: spendfuse is not loaded, a key is rejected, an address does not answer.
A note is a blind spot, a choice or a doubt: the app runs, and the line says what would change it.

The exit code is 0 without a fault, 1 with one, 2 on invalid usage.`;

const OPTIONS = {
  dir: { type: "string" },
  offline: { type: "boolean" },
  json: { type: "boolean" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "doctor",
  summary: "look at an app: what is metered, what is not, what is wrong, each with its fix; --json, --offline",
  help: HELP,
  options: OPTIONS,
  run: async (values) => (await import("./doctor/run.ts")).run(values),
});
