import { anthropicBilling } from "../../src/demo/fake-vendor/billing/anthropic.ts";
import { startBillingServer } from "../../src/demo/fake-vendor/billing/desk.ts";
import { openaiBilling } from "../../src/demo/fake-vendor/billing/openai.ts";

// Two vendors with a year of 200 rows of costs a day each. A process of its own, so that their memory is not the poller's.
const DAY = 86_400_000;
const ROWS = 200;
const [end = 0, days = 365] = process.argv.slice(2).map(Number);
const first = end - days * DAY;
const now = (): number => end;
const range = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

const openaiCosts = range(days).flatMap((day) =>
  range(ROWS).map((row) => ({
    day: (first + day * DAY) / 1_000,
    project_id: `proj_${row % 5}`,
    api_key_id: `key_${row % 20}`,
    line_item: `gpt-5.${Math.floor(row / 20)}, output`,
    value: (day * ROWS + row) / 1e6,
    quantity: 1_000 + row,
    quantity_unit: "tokens",
  })),
);
const anthropicCosts = range(days).flatMap((day) =>
  range(ROWS).map((row) => ({
    day: new Date(first + day * DAY).toISOString().slice(0, 10),
    api_key_id: `apikey_${row % 20}`,
    workspace_id: `wrkspc_${row % 5}`,
    model: `claude-opus-${Math.floor(row / 20)}`,
    service_tier: "standard",
    context_window: "0-200k",
    cost_type: "tokens" as const,
    token_type: "output_tokens",
    amount: `${day * ROWS + row}.1234567`,
    list_amount: `${day * ROWS + row}.1234567`,
  })),
);

const openai = await startBillingServer(
  openaiBilling({ now, adminKey: "sk-admin-bench", costs: () => openaiCosts, usages: () => [] }),
  now,
);
const anthropic = await startBillingServer(
  anthropicBilling({ now, adminKey: "sk-ant-admin01-bench", costs: () => anthropicCosts, usages: () => [] }),
  now,
);
process.send?.({ openai: openai.url, anthropic: anthropic.url });
process.once("disconnect", () => process.exit(0));
