import { object, text } from "../../../core/json.ts";
import { canonicalUsage, count } from "../../../core/usage.ts";
import { openaiRefusal } from "../openai-error.ts";
import { openaiRates } from "../rates.ts";
import { readCost } from "../reported-cost.ts";
import { measureAll } from "../text.ts";
import { report, type WireFormat } from "./format.ts";

/** OpenAI embeddings: input tokens only, never a stream. */
export const openaiEmbeddings: WireFormat = {
  name: "openai-embeddings",
  operation: "embeddings",
  provider: "openai",
  deltaKeys: [],
  strictDeltas: false,

  endpoints: [
    {
      method: "POST",
      path: "/embeddings",
      stream: false,
      evidence: { path: "/v1/embeddings", header: "authorization" },
    },
  ],
  rates: openaiRates,
  refusal: openaiRefusal,

  readRequest(body) {
    if (body.input === undefined) return undefined;
    return {
      model: text(body.model),
      stream: false,
      inputBytes: measureAll(body.input).bytes,
      attachments: undefined,
      user: text(body.user),
    };
  },

  readBody(body, reading) {
    const json = object(body);
    if (!json) return;
    reading.model = text(json.model) ?? reading.model;
    if (object(json.error)) reading.failed = true;
    if (json.data !== undefined) {
      reading.recognized = true;
      reading.finished = true;
    }
    const usage = object(json.usage);
    readCost(usage, json, reading);
    const input = usage?.prompt_tokens ?? usage?.total_tokens;
    if (input !== undefined && input !== null) report(reading, canonicalUsage({ input: count(input) }));
  },

  readFrame: () => false,
};
