import { amount, array, type Json, object, text } from "../../../src/core/json.ts";
import { canonicalUsage, count } from "../../../src/core/usage.ts";
import type { Blocked } from "../../../src/limits/refusal.ts";
import { type Reading, report, type WireFormat } from "../../../src/meter/wire/formats/format.ts";
import { openaiRates } from "../../../src/meter/wire/rates.ts";
import { measureAll, wireLength } from "../../../src/meter/wire/text.ts";

/** A chat of version 2 as Cohere's documents describe it, to follow the recipe with. */
export const cohereChat: WireFormat = {
  name: "cohere-chat",
  operation: "chat",
  provider: "cohere",
  endpoints: [{ method: "POST", path: "/v2/chat", evidence: { header: "authorization" } }],
  rates: openaiRates,
  refusal: {
    body: errorOf,
    event: (message, blocked) => ({ name: "error", data: { type: "error", ...errorOf(message, blocked) } }),
  },
  deltaKeys: ['"text":"'],
  strictDeltas: false,

  readRequest(body) {
    if (!Array.isArray(body.messages)) return undefined;
    const measured = measureAll(body.messages);
    return {
      model: text(body.model),
      stream: body.stream === true,
      inputBytes: measured.bytes,
      attachments: measured.attachments,
      maxOutput: amount(body.max_tokens),
    };
  },

  readBody(body, reading) {
    const json = object(body);
    if (json === undefined) return;
    reading.failed ||= json.message !== undefined && typeof json.message === "string";
    reading.responseId = text(json.id);
    for (const part of array(object(json.message)?.content)) reading.visible += wireLength(object(part)?.text);
    readEnd(json, reading);
  },

  readFrame(frame, event, reading) {
    const type = text(frame.type) ?? event;
    const delta = object(frame.delta);
    if (type === "message-start") reading.responseId = text(frame.id);
    if (type === "error") reading.failed = true;
    if (type === "message-end") {
      readEnd(delta ?? {}, reading);
      reading.terminal = true;
    }
    if (type !== "content-delta") return false;
    reading.recognized = true;
    reading.visible += wireLength(object(object(delta?.message)?.content)?.text);
    return true;
  },
};

function errorOf(message: string, blocked: Blocked): object {
  return { message, spendfuse: blocked };
}

function readEnd(json: Json, reading: Reading): void {
  if (json.finish_reason === undefined) return;
  reading.recognized = true;
  reading.finished = true;
  const tokens = object(object(json.usage)?.tokens);
  if (tokens) {
    report(reading, canonicalUsage({ input: count(tokens.input_tokens), output: count(tokens.output_tokens) }));
  }
}
