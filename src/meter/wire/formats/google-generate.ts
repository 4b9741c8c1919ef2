import { amount, array, type Json, object, text } from "../../../core/json.ts";
import { canonicalUsage, count } from "../../../core/usage.ts";
import { type Blocked, REFUSAL_STATUS } from "../../../limits/refusal.ts";
import { type Effort, effortOf } from "../content/effort.ts";
import { shapeOf } from "../content/tools.ts";
import { googleRates } from "../rates.ts";
import { readCost } from "../reported-cost.ts";
import { hashText, measureAll, measureTurns, wireLength } from "../text.ts";
import { setUses, toolsOf } from "../tools/server-tools.ts";
import { type Reading, report, type WireFormat } from "./format.ts";

/** Google generateContent, of the Gemini API and of Vertex AI. Every report is cumulative: the last one counts. */
export const googleGenerate: WireFormat = {
  name: "google-generate",
  operation: "generate_content",
  provider: "gcp.gemini",
  deltaKeys: [],
  strictDeltas: true,

  endpoints: [
    { method: "POST", path: "/{model}:generateContent", stream: false, evidence: {} },
    { method: "POST", path: "/{model}:streamGenerateContent", stream: true, evidence: {} },
  ],
  rates: googleRates,
  settings: { limits },
  refusal: {
    body: errorOf,
    event: (message, blocked) => ({ data: errorOf(message, blocked) }),
  },

  readRequest(whole, { endpoint, model: named }) {
    // Google's Code Assist wraps the request, and names the model beside it.
    const wrapped = whole.contents === undefined ? object(whole.request) : undefined;
    const body = wrapped ?? whole;
    const model = wrapped === undefined ? named : text(whole.model);
    if (body.contents === undefined) return undefined;
    const generation = object(body.generationConfig) ?? object(body.generation_config);
    const measured = measureAll(body.systemInstruction ?? body.system_instruction);
    const fixedBytes = measured.content;
    // What is cached is part of the input, and in no other member.
    const cached = text(body.cachedContent);
    const turns = measureTurns(body.contents, cached === undefined ? fixedBytes : hashText(cached), measured);
    return {
      model,
      stream: endpoint.stream === true,
      inputBytes: measured.bytes,
      attachments: measured.attachments,
      fixedBytes,
      turns,
      toolBytes: body.tools === undefined ? 0 : measureAll(body.tools).bytes,
      tools: body.tools === undefined ? undefined : shapeOf(body.tools),
      effort: readEffort(object(generation?.thinkingConfig ?? generation?.thinking_config)),
      maxOutput: amount(generation?.maxOutputTokens),
      tier: text(body.serviceTier),
      metadata: object(body.labels),
      search: Array.isArray(body.tools) && body.tools.some(isEnterprise) ? ENTERPRISE : undefined,
      instructions: text(object(array(object(body.systemInstruction)?.parts)[0])?.text),
    };
  },

  readBody(body, reading) {
    // A stream that was not asked for as events comes as one array.
    for (const item of Array.isArray(body) ? body : [body]) {
      const json = object(item);
      if (json) readChunk(json, reading);
    }
    if (reading.recognized && !reading.failed) reading.finished = true;
  },

  readFrame(frame, _event, reading) {
    readChunk(frame, reading);
    return false;
  },
};

function readEffort(thinking: Json | undefined): Effort | undefined {
  const budget = thinking?.thinkingBudget ?? thinking?.thinking_budget;
  return budget === 0 ? "none" : effortOf(thinking?.thinkingLevel ?? thinking?.thinking_level);
}

/** The answer does not show that this tool searched, whose price is another one. */
function isEnterprise(tool: unknown): boolean {
  const { enterpriseWebSearch, enterprise_web_search } = object(tool) ?? {};
  return enterpriseWebSearch !== undefined || enterprise_web_search !== undefined;
}

const ENTERPRISE = { tool: "enterprise_web_search" };

function errorOf(message: string, blocked: Blocked): object {
  return { error: { code: REFUSAL_STATUS, message, status: "RESOURCE_EXHAUSTED", spendfuse: blocked } };
}

function readChunk(whole: Json, reading: Reading): void {
  const json = object(whole.response) ?? whole;
  if (object(json.error)) reading.failed = true;
  reading.responseId = text(json.responseId) ?? reading.responseId;
  reading.model = text(json.modelVersion) ?? reading.model;
  const candidates = array(json.candidates);
  if (json.candidates !== undefined || json.usageMetadata !== undefined) reading.recognized = true;
  for (const item of candidates) {
    const candidate = object(item);
    if (candidate?.finishReason) reading.finished = true;
    if (candidate?.groundingMetadata) readGrounding(object(candidate.groundingMetadata), reading);
    for (const part of array(object(candidate?.content)?.parts)) countPart(object(part), reading);
  }
  if (object(json.promptFeedback)?.blockReason) reading.finished = true;
  const raw = object(json.usageMetadata);
  readCost(raw, json, reading);
  if (raw) readUsage(raw, reading);
  if (reading.finished && reading.outputReported) reading.terminal = true;
}

function countPart(part: Json | undefined, reading: Reading): void {
  const kind = part?.thought === true ? "thought" : "visible";
  if (kind === "thought") reading.reasons = true;
  reading[kind] += wireLength(part?.text) + wireLength(object(part?.executableCode)?.code);
  const call = object(part?.functionCall);
  if (!call) return;
  reading.toolCalls += 1;
  reading.callBytes += wireLength(call.name) + JSON.stringify(call.args ?? {}).length;
}

/** Where the answer's facts come from: each source is billed by rules of its own. */
function readGrounding(grounding: Json | undefined, reading: Reading): void {
  if (grounding === undefined) return;
  const kinds = new Set<string>();
  for (const chunk of array(grounding.groundingChunks)) for (const kind in object(chunk)) kinds.add(kind);
  const tools = toolsOf(reading);
  for (const query of [...array(grounding.webSearchQueries), ...array(grounding.imageSearchQueries)]) {
    if (typeof query === "string" && query.trim() !== "") tools.queries.add(query.trim());
  }
  // An answer that is grounded in the web was searched for, even where no query is shown.
  if (kinds.has("web") || kinds.has("image")) tools.searches = Math.max(tools.searches, 1);
  if (kinds.has("maps") || text(grounding.googleMapsWidgetContextToken)) setUses(reading, "maps_grounding", 1);
  if (kinds.has("retrievedContext")) setUses(reading, "data_grounding", 1);
}

function readUsage(raw: Json, reading: Reading): void {
  reading.tier = text(raw.serviceTier) ?? text(raw.trafficType) ?? reading.tier;
  const visible = count(raw.candidatesTokenCount) || count(raw.responseTokenCount);
  const thoughts = count(raw.thoughtsTokenCount);
  const usage = canonicalUsage({
    input: count(raw.promptTokenCount) + count(raw.toolUsePromptTokenCount),
    output: visible + thoughts,
    cacheRead: count(raw.cachedContentTokenCount),
    reasoning: thoughts,
    inputAudio: modality(raw.promptTokensDetails, "AUDIO") + modality(raw.toolUsePromptTokensDetails, "AUDIO"),
    cacheReadAudio: modality(raw.cacheTokensDetails, "AUDIO"),
    outputAudio: modality(raw.candidatesTokensDetails, "AUDIO"),
    outputImage: modality(raw.candidatesTokensDetails, "IMAGE"),
  });
  // The first chunks may report the prompt only, while output is already running.
  if (visible > 0 || reading.finished || reading.visible === 0) {
    report(reading, usage);
    reading.outputReported &&= visible > 0 || reading.finished;
  } else {
    reading.usage = usage;
    reading.inputReported = usage.input > 0;
  }
}

function modality(details: unknown, name: string): number {
  let sum = 0;
  for (const item of array(details)) {
    const detail = object(item);
    if (detail?.modality === name) sum += count(detail.tokenCount);
  }
  return sum;
}

function limits(body: Json): readonly (readonly string[])[] {
  if (body.contents === undefined) return [];
  return [[body.generation_config === undefined ? "generationConfig" : "generation_config", "maxOutputTokens"]];
}
