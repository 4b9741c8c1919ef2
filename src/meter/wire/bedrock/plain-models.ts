import { amount, array, type Json, object } from "../../../core/json.ts";
import { canonicalUsage, count } from "../../../core/usage.ts";
import { type Reading, type RequestFacts, report } from "../formats/format.ts";
import { measureAll, wireLength } from "../text.ts";

/** The fields in which models without a format of their own take text: Llama, Mistral, Titan, Cohere, DeepSeek, AI21. */
const INPUTS = ["prompt", "inputText", "texts", "inputs", "message", "preamble", "chat_history", "documents"] as const;
const LIMITS = ["max_tokens", "max_gen_len", "max_new_tokens", "maxTokens", "max_tokens_to_sample"] as const;

/** The facts of a request of such a model; undefined when it is none. */
export function readPlainRequest(body: Json, model: string | undefined, stream: boolean): RequestFacts | undefined {
  const texts = INPUTS.map((name) => body[name]).filter((value) => value !== undefined);
  if (texts.length === 0) return undefined;
  const { bytes, attachments } = measureAll(...texts);
  const limit = LIMITS.map((name) => amount(body[name])).find((value) => value !== undefined);
  const maxOutput = limit ?? amount(object(body.textGenerationConfig)?.maxTokenCount);
  return { model, stream, inputBytes: bytes, attachments, maxOutput };
}

/**
 * Reads an answer of such a model, or one frame of it: its text, and its counts where it has some. Returns true for a
 * frame that only adds text.
 */
export function readPlain(json: Json, reading: Reading): boolean {
  reading.recognized = true;
  const { visible } = reading;
  reading.visible += wireLength(json.generation) + wireLength(json.outputText) + wireLength(json.text);
  reading.visible += wireLength(json.completion);
  let stop = json.stop_reason ?? json.completionReason ?? json.finish_reason;
  for (const item of [...array(json.outputs), ...array(json.results), ...array(json.generations)]) {
    const output = object(item);
    reading.visible += wireLength(output?.text) + wireLength(output?.outputText);
    stop ??= output?.stop_reason ?? output?.completionReason ?? output?.finish_reason;
  }
  for (const item of array(json.choices)) {
    const choice = object(item);
    reading.visible += wireLength(choice?.text);
    stop ??= choice?.stop_reason ?? choice?.finish_reason;
  }
  const finished = stop !== undefined && stop !== null;
  if (finished) reading.finished = true;
  const counted = reportCounts(json, finished, reading);
  return !finished && !counted && reading.visible > visible;
}

/** Llama's and Titan's counts; those of a stream grow until its end, where they are the report. */
function reportCounts(json: Json, finished: boolean, reading: Reading): boolean {
  const input = amount(json.prompt_token_count) ?? amount(json.inputTextTokenCount);
  const results = array(json.results);
  let output = amount(json.generation_token_count) ?? amount(json.totalOutputTextTokenCount);
  for (const item of results) output = (output ?? 0) + count(object(item)?.tokenCount);
  const isEmbedding = json.embedding !== undefined || json.embeddingsByType !== undefined;
  if (input !== undefined && (finished || isEmbedding)) {
    report(reading, canonicalUsage({ input, output: output ?? 0 }));
    return true;
  }
  return false;
}
