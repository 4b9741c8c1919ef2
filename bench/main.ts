import { existsSync } from "node:fs";
import type { Bound } from "./bound.ts";
import { anthropicChunk, anthropicStream } from "./bounds/anthropic-chunk.ts";
import { backfill, backfillMemory } from "./bounds/backfill.ts";
import { bedrockChunk } from "./bounds/bedrock-chunk.ts";
import { call } from "./bounds/call.ts";
import { callFunctions, callMoves } from "./bounds/call-path.ts";
import { fanOutEvents, fanOutRedis, hasRedis } from "./bounds/fan-out.ts";
import { firstCalls } from "./bounds/first-calls.ts";
import { identity, identityAgents, identitySpans } from "./bounds/identity.ts";
import { learning, learningMemory } from "./bounds/learning.ts";
import { longEvent } from "./bounds/long-event.ts";
import { openStreamMemory } from "./bounds/open-stream-memory.ts";
import { openaiChunk, openaiStream } from "./bounds/openai-chunk.ts";
import { openaiChunkHidden, openaiStreamHidden } from "./bounds/openai-chunk-hidden.ts";
import { otherFetch, otherPost } from "./bounds/other-fetch.ts";
import {
  litellmStream,
  litellmWhole,
  proxyStream,
  proxyStreamCpu,
  proxyStreamCpuShare,
  proxyStreamShare,
  proxyWhole,
  proxyWholeCpu,
  proxyWholeCpuShare,
  proxyWholeShare,
} from "./bounds/proxy.ts";
import { pulledChunk } from "./bounds/pulled-chunk.ts";
import { refusal } from "./bounds/refusal.ts";
import {
  sandboxEvaluation,
  sandboxEvaluationRatio,
  sandboxIntake,
  sandboxIntakeRatio,
  sandboxMonth,
} from "./bounds/sandbox.ts";
import { soak } from "./bounds/soak.ts";
import { startup } from "./bounds/startup.ts";
import { transportRows } from "./bounds/transports.ts";
import { verdict } from "./bounds/verdict.ts";

/** `node bench/main.ts` measures them all, `node bench/main.ts NAME …` some. */
const BOUNDS: Readonly<Record<string, Bound>> = {
  "openai-chunk": openaiChunk,
  "openai-stream": openaiStream,
  "openai-chunk-hidden": openaiChunkHidden,
  "openai-stream-hidden": openaiStreamHidden,
  "anthropic-chunk": anthropicChunk,
  "anthropic-stream": anthropicStream,
  "pulled-chunk": pulledChunk,
  "bedrock-chunk": bedrockChunk,
  ...transportRows,
  "long-event": longEvent,
  call,
  "first-calls": firstCalls,
  "call-functions": callFunctions,
  "call-moves": callMoves,
  learning,
  "learning-memory": learningMemory,
  identity,
  "identity-agents": identityAgents,
  "identity-spans": identitySpans,
  "other-fetch": otherFetch,
  "other-post": otherPost,
  verdict,
  refusal,
  // Both take turns with the bare stream in one run, which needs a Redis.
  ...(hasRedis && { "fan-out-events": fanOutEvents, "fan-out-redis": fanOutRedis }),
  // In one run with LiteLLM's proxy, which is installed when it is first needed.
  "proxy-whole": proxyWhole,
  "proxy-stream": proxyStream,
  "litellm-whole": litellmWhole,
  "litellm-stream": litellmStream,
  "proxy-whole-share": proxyWholeShare,
  "proxy-stream-share": proxyStreamShare,
  "proxy-whole-cpu": proxyWholeCpu,
  "proxy-stream-cpu": proxyStreamCpu,
  "proxy-whole-cpu-share": proxyWholeCpuShare,
  "proxy-stream-cpu-share": proxyStreamCpuShare,
  startup,
  "open-stream-memory": openStreamMemory,
  soak,
  "sandbox-intake": sandboxIntake,
  "sandbox-intake-ratio": sandboxIntakeRatio,
  "sandbox-evaluation": sandboxEvaluation,
  "sandbox-evaluation-ratio": sandboxEvaluationRatio,
  "sandbox-month": sandboxMonth,
  backfill,
  "backfill-memory": backfillMemory,
};

async function main(names: readonly string[]): Promise<void> {
  if (!existsSync(new URL("../dist/index.js", import.meta.url))) throw new Error("dist/ is missing: npm run build");
  for (const name of names.length > 0 ? names : Object.keys(BOUNDS)) {
    const bound = BOUNDS[name];
    if (!bound) throw new Error(`no bound ${name}; there are: ${Object.keys(BOUNDS).join(", ")}`);
    const value = await bound.measure();
    const over = bound.limit !== undefined && !(value <= bound.limit);
    if (over) process.exitCode = 1;
    const limit = bound.limit === undefined ? "-" : `${bound.limit} ${bound.unit}`;
    console.log(
      `${name.padEnd(26)} ${`${show(value)} ${bound.unit}`.padEnd(12)} ${limit.padEnd(10)} ${over ? "OVER" : "ok"}`,
    );
  }
}

function show(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

await main(process.argv.slice(2));
