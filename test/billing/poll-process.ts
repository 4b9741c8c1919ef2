import { openBook } from "../../src/billing/book.ts";
import { pollVendor } from "../../src/billing/poll.ts";
import { openai } from "../../src/billing/vendors/openai.ts";

// A poller that is killed: its vendor and book are those of the test.
const [url = "", path = "", from = "", until = "", now = ""] = process.argv.slice(2);
const clock = (): number => Number(now);
const options = { key: "sk-admin-test", url, env: {}, onServerTime: () => {}, now: clock };
await pollVendor({
  vendor: openai,
  account: await openai.open(options),
  book: await openBook(path, { alone: true }),
  now: clock,
  range: { from: Number(from), until: Number(until) },
  patience: { sleep: async () => {}, random: () => 0 },
});
process.exit(0);
