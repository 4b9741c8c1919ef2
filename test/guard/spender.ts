import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { flush, isBlocked, onCall, scope, start, stop } from "../../src/index.ts";

/**
 * An app that spends: `spender.ts STORE VENDOR BUDGETS`. For each line `CALLS CONCURRENT LIMITED` on its stdin it makes so
 * many calls, with endings of all kinds, and prints one line of JSON. It leaves at `stop`.
 */
const [store = "", vendor = "", budgets = "[]"] = process.argv.slice(2);

export interface Round {
  readonly sent: number;
  readonly refused: number;
  readonly costUsd: number;
  /** USD, call by call. */
  readonly costs: readonly number[];
  readonly endings: Readonly<Record<string, number>>;
  /** What was not refused by us and failed all the same, other than as the vendor meant it. */
  readonly odd: readonly string[];
}

let settled = 0;
let endings: Record<string, number> = {};
let costUsd = 0;
let costs: number[] = [];
onCall((call) => {
  settled += 1;
  endings[call.ending] = (endings[call.ending] ?? 0) + 1;
  costUsd += call.costUsd ?? 0;
  costs.push(call.costUsd ?? 0);
  // What is spent is said at once: the process may be killed at any moment.
  if (process.argv[5] === "tell" && call.costUsd) process.stdout.write(`${JSON.stringify({ spent: call.costUsd })}\n`);
});
await start({
  telemetry: false,
  env: { SPENDFUSE_CONFIG: "{}" },
  config: {
    store,
    budgets: JSON.parse(budgets),
    stateTimeout: "2s",
    whenStateUnknown: "closed",
    hosts: [{ host: new URL(vendor).host, like: "api.openai.com" }],
    prices: [{ model: "test-model", inputPerMTok: 1, outputPerMTok: 1 }],
  },
});

const KINDS = ["whole", "stream", "break", "abort", "cut", "error", "unread"] as const;

async function call(kind: (typeof KINDS)[number], limited: boolean): Promise<"sent" | "refused" | string> {
  const abort = new AbortController();
  const stream = kind !== "whole" && kind !== "error";
  const body = {
    model: "test-model",
    messages: [{ role: "user", content: "How deep is the harbour of the old town?" }],
    stream,
    ...(limited && { max_tokens: 200 }),
    ...(stream && { stream_options: { include_usage: true } }),
  };
  try {
    const response = await fetch(`${vendor}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-kind": kind, authorization: "Bearer sk" },
      body: JSON.stringify(body),
      signal: abort.signal,
    });
    if (response.status === 402) return isBlocked(await response.json()) ? "refused" : "402";
    if (kind === "unread") return "sent";
    if (kind === "break" || kind === "abort") {
      const reader = response.body?.getReader();
      await reader?.read();
      if (kind === "break") await reader?.cancel();
      else abort.abort();
      return "sent";
    }
    await response.text();
    return "sent";
  } catch (error) {
    return kind === "cut" || kind === "abort" ? "sent" : String(error);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line === "stop") break;
  const [calls = 0, concurrent = 1, limited = 1] = line.split(" ").map(Number);
  settled = 0;
  endings = {};
  costUsd = 0;
  costs = [];
  const outcomes: string[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < calls) {
      const kind = KINDS[next++ % (limited === 2 ? 1 : KINDS.length)] as (typeof KINDS)[number];
      outcomes.push(await scope({ agent: "spender" }, () => call(kind, limited > 0)));
    }
  };
  await Promise.all(Array.from({ length: concurrent }, worker));
  await flush();
  for (let waited = 0; settled < calls && waited < 100; waited++) await wait(20);
  const round: Round = {
    sent: outcomes.filter((one) => one === "sent").length,
    refused: outcomes.filter((one) => one === "refused").length,
    costUsd,
    costs,
    endings,
    odd: outcomes.filter((one) => one !== "sent" && one !== "refused"),
  };
  process.stdout.write(`${JSON.stringify(round)}\n`);
}
await stop();
process.stdin.destroy();
