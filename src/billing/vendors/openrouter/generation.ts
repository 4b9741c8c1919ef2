import { MAX_CALL_COUNT, MAX_CALL_NANO } from "../../../core/figures.ts";
import { type Json, object } from "../../../core/json.ts";
import type { LateFigures } from "../../../core/late/late-call.ts";
import { nanoOfUsd } from "../../../core/money.ts";
import { canonicalUsage } from "../../../core/usage.ts";
import { VERSION } from "../../../package/version.ts";
import { countIn, type LateReports, type OpenOptions, watchClock } from "../vendor.ts";

const TIMEOUT_MS = 15_000;
const MAX_CHARACTERS = 1_000_000;

/** The record of one generation, of a canceled one too. Without the SDK, which agents need not have installed. */
export async function openLate({ key, url, onServerTime }: OpenOptions): Promise<LateReports> {
  const origin = (url ?? "https://openrouter.ai").replace(/\/+$/, "");
  const send = watchClock(onServerTime);
  return {
    async call(responseId) {
      const response = await send(`${origin}/api/v1/generation?id=${encodeURIComponent(responseId)}`, {
        headers: { authorization: `Bearer ${key}`, "user-agent": `spendfuse/${VERSION}` },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const body = await response.text();
      // At first it is not known yet.
      if (response.status === 404) return undefined;
      if (response.status !== 200) throw refusalOf(response, body);
      return figuresIn(body, responseId);
    },
  };
}

/** In the form of an SDK's error. */
function refusalOf({ status, headers }: Response, body: string): Error {
  return Object.assign(new Error(`${status}`), { status, headers, body: body.slice(0, 2_000) });
}

/** @throws TypeError or RangeError for what cannot be the record of this call */
function figuresIn(body: string, responseId: string): LateFigures {
  const data = body.length > MAX_CHARACTERS ? undefined : object((JSON.parse(asJson(body)) as Json | null)?.data);
  if (data === undefined) throw new TypeError("the answer is no generation");
  if (data.id !== responseId) throw new TypeError("the answer is about another generation");
  const count = (name: string): number => countIn(data[name], name, MAX_CALL_COUNT);
  const usage = canonicalUsage({
    input: count("native_tokens_prompt"),
    output: count("native_tokens_completion"),
    cacheRead: count("native_tokens_cached"),
    reasoning: count("native_tokens_reasoning"),
    // Searches are in the cost, and their number is that of results.
    webSearches: 0,
  });
  if (usage.input === 0 && usage.output === 0) throw new TypeError("the generation has no tokens");
  const fee = moneyIn(data.total_cost, "total_cost");
  // With a key of the user's own the fee is OpenRouter's alone, and the model's vendor bills the rest.
  const upstream = data.is_byok === true ? moneyIn(data.upstream_inference_cost ?? 0, "upstream_inference_cost") : 0;
  return { usage, costNano: fee + upstream, priced: "true" };
}

function asJson(body: string): string {
  if (!/^\s*\{/.test(body)) throw new TypeError("the answer is no JSON");
  return body;
}

function moneyIn(value: unknown, what: string): number {
  if (typeof value !== "number" && typeof value !== "string") throw new TypeError(`"${what}" is no amount of money`);
  const nano = Number(nanoOfUsd(value));
  if (nano < 0 || nano > MAX_CALL_NANO) throw new RangeError(`"${what}" is ${value}, which no call costs`);
  return nano;
}
