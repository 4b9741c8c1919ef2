import { MAX_CALL_COUNT, MAX_CALL_NANO } from "../../../core/figures.ts";
import { type Json, object } from "../../../core/json.ts";
import type { LateFigures } from "../../../core/late/late-call.ts";
import { nanoOfUsd } from "../../../core/money.ts";
import { canonicalUsage } from "../../../core/usage.ts";
import { openJsonApi } from "../json-api.ts";
import { countIn, type LateVendor } from "./late-vendor.ts";

/** The record of each generation, of a canceled one too. */
export const openrouter: LateVendor = {
  name: "openrouter",
  title: "OpenRouter",
  providers: ["openrouter"],
  variables: ["OPENROUTER_API_KEY", "OPENROUTER_MANAGEMENT_KEY"],
  needs: "a key of the account that made the calls",
  urlVariable: "SPENDFUSE_OPENROUTER_URL",
  open(options) {
    const api = openJsonApi(options, "https://openrouter.ai", { authorization: `Bearer ${options.key}` });
    return {
      async call(responseId) {
        // At first it is not known yet.
        const answer = await api.get("/api/v1/generation", { id: responseId });
        return answer === undefined ? undefined : figuresIn(answer, responseId);
      },
    };
  },
};

function figuresIn(answer: Json, responseId: string): LateFigures {
  const data = object(answer.data);
  if (data === undefined) throw new TypeError("the answer is no generation");
  if (data.id !== responseId) throw new TypeError("the answer is about another generation");
  const count = (name: string): number => countIn(data[name], name, MAX_CALL_COUNT);
  const usage = canonicalUsage({
    input: count("native_tokens_prompt"),
    output: count("native_tokens_completion"),
    cacheRead: count("native_tokens_cached"),
    reasoning: count("native_tokens_reasoning"),
    // Searches are in the cost; what it counts is their results.
    webSearches: 0,
  });
  if (usage.input === 0 && usage.output === 0) throw new TypeError("the generation has no tokens");
  const fee = moneyIn(data.total_cost, "total_cost");
  // With the user's own key for the model's vendor `total_cost` is OpenRouter's fee alone.
  const upstream = data.is_byok === true ? moneyIn(data.upstream_inference_cost ?? 0, "upstream_inference_cost") : 0;
  return { usage, costNano: fee + upstream, priced: "true" };
}

function moneyIn(value: unknown, what: string): number {
  if (typeof value !== "number" && typeof value !== "string") throw new TypeError(`"${what}" is no amount of money`);
  const nano = Number(nanoOfUsd(value));
  if (nano < 0 || nano > MAX_CALL_NANO) throw new RangeError(`"${what}" is ${value}, which no call costs`);
  return nano;
}
