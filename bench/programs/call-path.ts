import OpenAI from "openai";
import { recordEntered } from "../entered-functions.ts";

/**
 * Counts what one guarded call enters of `src/`, the third of its kind: a whole answer to OpenAI's SDK in a scope of its
 * own, with two budgets and our own export. Prints functions entered, files, and moves from one file to another. With
 * `--list` the functions in order, on stderr.
 */
process.env.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:9";
process.env.SPENDFUSE_EXIT_SENDER = "0";
process.env.SPENDFUSE_CONFIG = JSON.stringify({
  budgets: [
    { scope: { agent: "*" }, per: "hour", usd: 20 },
    { scope: { team: "search" }, per: "month", usd: 5000 },
  ],
});

const ANSWER = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "gpt-4o-mini-2024-07-18",
  choices: [{ index: 0, message: { role: "assistant", content: "Mexico City." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 78, completion_tokens: 8, total_tokens: 86 },
});
globalThis.fetch = async () => new Response(ANSWER, { headers: { "content-type": "application/json" } });

// After the loader hooks of `recordEntered`, which mark each function.
const { scope, start, onCall } = await import("../../src/index.ts");
await start();
let settled = 0;
onCall(({ costUsd }) => {
  if (costUsd !== undefined) settled += 1;
});
const client = new OpenAI({ apiKey: "sk-bench", maxRetries: 0 });
const call = () =>
  scope({ agent: "researcher", team: "search" }, () =>
    client.chat.completions.create({
      model: "gpt-4o-mini",
      max_tokens: 50,
      messages: [{ role: "user", content: "What is the capital of Mexico?" }],
    }),
  );

await call();
await call();
// The price book loads with the first call.
while (settled < 2) await new Promise((resolve) => setTimeout(resolve, 10));
const entered = await recordEntered(call);
if (settled !== 3) throw new Error(`${settled} of 3 calls were metered and priced`);

let moves = 0;
for (const [index, { file }] of entered.entries()) if (index > 0 && file !== entered[index - 1]?.file) moves += 1;
if (process.argv.includes("--list")) for (const { file, name } of entered) console.error(`${file} ${name}`);
const files = new Set(entered.map(({ file }) => file)).size;
process.stdout.write(JSON.stringify({ functions: entered.length, files, moves }), () => process.exit());
