import { type Json, object, text } from "../../../core/json.ts";
import { countBlocks, readConverseEvent, readConverseRequest, reportConverse } from "../bedrock/converse.ts";
import { readGuardrail } from "../bedrock/guardrails.ts";
import { modelIdOf } from "../bedrock/model-id.ts";
import { bedrockRefusal, isError } from "../bedrock/refusal.ts";
import { bedrockRates } from "../rates.ts";
import type { Reading, WireFormat } from "./format.ts";

/** Amazon Bedrock's Converse and ConverseStream, which are the same for the models of all vendors. */
export const bedrockConverse: WireFormat = {
  name: "bedrock-converse",
  operation: "chat",
  provider: "aws.bedrock",
  deltaKeys: ['"text":"', '"input":"'],
  strictDeltas: true,

  endpoints: [
    { method: "POST", path: "/model/{arn}/converse", stream: false, evidence: {} },
    { method: "POST", path: "/model/{arn}/converse-stream", stream: true, framing: "eventstream", evidence: {} },
  ],
  rates: bedrockRates,
  refusal: bedrockRefusal,

  readRequest(body, { endpoint, model }) {
    // A prompt that is kept at AWS has its messages there.
    if (!Array.isArray(body.messages) && body.promptVariables === undefined) return undefined;
    return readConverseRequest(body, model, endpoint.stream === true);
  },

  readBody(body, reading) {
    const json = object(body);
    const message = object(object(json?.output)?.message);
    if (json !== undefined && isError(json)) reading.failed = true;
    if (json === undefined || (message === undefined && json.usage === undefined)) return;
    reading.recognized = true;
    reading.finished = json.stopReason !== undefined;
    countBlocks(message?.content, reading);
    readMetadata(json, reading);
  },

  readFrame(frame, event, reading) {
    if (event !== "metadata") return readConverseEvent(event, frame, reading);
    reading.recognized = true;
    reading.finished = true;
    reading.terminal = true;
    readMetadata(frame, reading);
    return false;
  },
};

/** What an answer says about the call: usage, tier, and what was in between. */
function readMetadata(json: Json, reading: Reading): void {
  reportConverse(object(json.usage), reading);
  reading.tier = text(object(json.serviceTier)?.type) ?? reading.tier;
  reading.speed = text(object(json.performanceConfig)?.latency) ?? reading.speed;
  const trace = object(json.trace);
  const guardrail = object(trace?.guardrail);
  if (guardrail !== undefined) readGuardrail(guardrail, reading);
  const routed = modelIdOf(text(object(trace?.promptRouter)?.invokedModelId));
  if (routed !== undefined) reading.served = { provider: undefined, model: routed };
}
