import { type Command, defineCommand, type OptionValues } from "./command.ts";

const HELP = `spendfuse doctor: checks an app and reports what is metered, what is not, and what is wrong, with the fix.

  spendfuse doctor                  in the app's folder, with the environment it runs in

  --dir PATH     the app's folder; default: the working directory
  --offline      makes no network requests
  --json         { findings, faults, notes, ok }; a finding is { group, id, level, subject, says, fix? }

It reads package.json and what is installed, the app's own sources, how it is started (scripts, Procfile, Dockerfile,
compose, pm2), the configuration, and .env. It contacts only what the configuration names: the OTLP endpoint, with an
empty export; Datadog and the vendors, to check your keys; the store; the breaker. In parallel, 3 seconds each. None of
the app's code is run or changed, no key is shown; a store that needs a package is opened with the app's own copy.

A fault is broken and can be fixed: spendfuse is not loaded, a key is rejected, an address does not answer.
A note is a blind spot, a choice or an uncertainty: the app runs, and the line says what would change it.

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
