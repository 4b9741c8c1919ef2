import OpenAI from "openai";
import { registerProviders } from "../providers.ts";
import { recordEntered } from "./entered-functions.ts";

if (process.argv.includes("--otel")) registerProviders();

process.env.SPENDFUSE_CONFIG ??= JSON.stringify({
  budgets: [
    { scope: { agent: "*" }, per: "hour", usd: 20 },
    { scope: { team: "search" }, per: "month", usd: 5000 },
  ],
});
const BODY = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "gpt-4o-mini-2024-07-18",
  choices: [{ index: 0, message: { role: "assistant", content: "Mexico City." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 78, completion_tokens: 8, total_tokens: 86 },
});
globalThis.fetch = async () => new Response(BODY, { headers: { "content-type": "application/json" } });
const root = process.argv[2] ?? "../../src/";
const { start, scope } = (await import(
  new URL("index.ts", new URL(root, import.meta.url)).href
)) as typeof import("../../src/index.ts");
await start(process.argv.includes("--telemetry") ? {} : { telemetry: false });
const client = new OpenAI({ apiKey: "sk-bench", maxRetries: 0 });
const ask = () =>
  client.chat.completions.create({
    model: "gpt-4o-mini",
    max_tokens: 50,
    messages: [{ role: "user", content: "What is the capital of Mexico?" }],
  });
const call = () => (process.argv.includes("--outside") ? ask() : scope({ agent: "researcher", team: "search" }, ask));
const inOne = process.argv.includes("--inside");
const go = async () => {
  await call();
  await call();
  await new Promise((r) => setTimeout(r, 100));
  return recordEntered(call);
};
const seen = inOne
  ? await scope({ agent: "researcher", team: "search" }, async () => {
      await ask();
      await ask();
      await new Promise((r) => setTimeout(r, 100));
      return recordEntered(ask);
    })
  : await go();
let moves = 0;
for (let i = 1; i < seen.length; i++) if (seen[i]!.file !== seen[i - 1]!.file) moves++;
console.log(seen.length, "calls", new Set(seen.map((s) => s.file)).size, "files", moves, "moves");
if (process.argv.includes("--list")) for (const s of seen) console.log(s.file, s.name);
process.exit();
