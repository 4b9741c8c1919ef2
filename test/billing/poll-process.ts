import { openBook } from "../../src/billing/book.ts";
import { runRound } from "../../src/billing/round.ts";
import { openai } from "../../src/billing/vendors/openai.ts";
import { NOTHING_METERED } from "../../src/core/metered.ts";
import { createOtlpSink } from "../../src/process/otlp-sink.ts";

// A poller that may be killed: its vendor, its book and whom it tells are those of the test.
const [url = "", path = "", from = "", until = "", now = "", receiver = ""] = process.argv.slice(2);
const metrics = {
  url: `${receiver}/v1/metrics`,
  headers: {},
  encoding: "json",
  compression: "none",
  timeoutMs: 10_000,
  hint: "",
} as const;
const rounds = await runRound({
  book: await openBook(path, { alone: true }),
  vendors: [{ vendor: openai, key: "sk-admin-test", url }],
  env: {},
  metered: async (day) => [
    {
      ...NOTHING_METERED,
      day,
      provider: "openai",
      model: "gpt-5",
      tier: "",
      key: "9f86d081",
      agent: "researcher",
      rootAgent: "researcher",
      team: "",
      project: "",
      quality: "reported",
      priced: "true",
      calls: 1,
      cost: 1_000_000,
      output: 120,
    },
  ],
  sinks: [createOtlpSink({ metrics }, {})],
  costs: undefined,
  range: { from: Number(from), until: Number(until) },
  aliases: {},
  discounts: [],
  now: () => Number(now),
  patience: { sleep: async () => {}, random: () => 0 },
  say: () => {},
});
process.exit(rounds.some(({ errors }) => errors.length > 0) ? 1 : 0);
