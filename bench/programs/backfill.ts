import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openBook } from "../../src/billing/book.ts";
import { runRound } from "../../src/billing/round.ts";
import { anthropic } from "../../src/billing/vendors/anthropic.ts";
import { openai } from "../../src/billing/vendors/openai.ts";
import { keepHeapSmall } from "../../src/cli/commands/poll/heap.ts";
import { NOTHING_METERED } from "../../src/core/metered.ts";

/**
 * Reads a year of two vendors into a new book, reconciles it with metered spend, and gives every day's points to a sink.
 * Prints seconds, the most memory it had in megabytes, rows, and points.
 */
const [days = 365] = process.argv.slice(2).map(Number);
const DAY = 86_400_000;
const END = Date.UTC(2027, 0, 1);
const folder = mkdtempSync(join(tmpdir(), "spendfuse-backfill-"));
const vendors = fork(fileURLToPath(new URL("backfill-vendors.ts", import.meta.url)), [String(END), String(days)]);
const urls = await new Promise<{ openai: string; anthropic: string }>((resolve) =>
  vendors.once("message", (message) => resolve(message as { openai: string; anthropic: string })),
);
keepHeapSmall();
const began = performance.now();
const book = await openBook(join(folder, "bill.db"), { alone: true });
let points = 0;
const rounds = await runRound({
  book,
  vendors: [
    { vendor: openai, key: "sk-admin-bench", url: urls.openai },
    { vendor: anthropic, key: "sk-ant-admin01-bench", url: urls.anthropic },
  ],
  env: {},
  metered: async (from) =>
    ["openai", "anthropic"].flatMap((provider) =>
      Array.from({ length: 20 }, (_, agent) => ({
        ...NOTHING_METERED,
        day: from,
        provider,
        model: provider === "openai" ? "gpt-5.1" : "claude-opus-1",
        tier: "",
        key: "",
        agent: `agent-${agent}`,
        rootAgent: `agent-${agent}`,
        team: "",
        project: "",
        quality: "reported" as const,
        priced: "true" as const,
        calls: 1,
        cost: 1_000_000,
        output: 100,
      })),
    ),
  sinks: [
    {
      name: "bench",
      async send(some) {
        points += some.length;
      },
    },
  ],
  costs: undefined,
  range: { from: END - days * DAY, until: END },
  aliases: {},
  discounts: [],
  now: () => END,
  patience: { sleep: async () => {}, random: () => 0 },
  say: () => {},
});
const seconds = (performance.now() - began) / 1_000;
for (const { errors } of rounds) for (const error of errors) throw error;
const rows = rounds.reduce((sum, { polled }) => sum + (polled?.rows ?? 0), 0);
const kept = ["openai", "anthropic"].reduce((sum, name) => {
  let count = 0;
  for (let day = END - days * DAY; day < END; day += DAY) count += book.rows(name, day, day + DAY).length;
  return sum + count;
}, 0);
if (kept !== rows || rows !== days * 400)
  throw new Error(`${rows} rows were read and ${kept} are kept of ${days * 400}`);
book.close();
vendors.disconnect();
rmSync(folder, { recursive: true, force: true });
console.log(JSON.stringify([[seconds, process.resourceUsage().maxRSS / 1_024, rows, points]]));
