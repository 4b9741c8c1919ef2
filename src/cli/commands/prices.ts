import { type Command, defineCommand, type OptionValues } from "./command.ts";

const HELP = `spendfuse prices: which price applies to a model, where it comes from, and what it lacks.

  spendfuse prices MODEL              at every vendor that is known to sell it
  spendfuse prices --check            models that were metered without a price, or with a part of it

  --provider NAME   only at this vendor, by its OpenTelemetry name: openai, anthropic, gcp.vertex_ai …
  --tier NAME       at this service tier, such as batch, flex, priority
  --at DAY          the price of that day; default: now
  --from DAY        with --check: since that day; default: the last 30 days
  --json            for machines

Prices are looked up as for a metered call: rows of your own configuration first, then those of spendfuse, then
@pydantic/genai-prices. --check reads what agents metered: SPENDFUSE_STORE, or Datadog by DD_API_KEY and DD_APP_KEY.
The exit code is 0, 1 when a price is missing, 2 on invalid usage.`;

const OPTIONS = {
  provider: { type: "string" },
  tier: { type: "string" },
  at: { type: "string" },
  from: { type: "string" },
  check: { type: "boolean" },
  json: { type: "boolean" },
} as const;

/** The parsed options. */
export type Values = OptionValues<typeof OPTIONS>;

export const command: Command = defineCommand({
  name: "prices",
  summary: "which price applies to a model and what it lacks; --check: metered models without a price",
  help: HELP,
  options: OPTIONS,
  positionals: true,
  run: async (values, words) => (await import("./prices/run.ts")).run(values, words),
});
