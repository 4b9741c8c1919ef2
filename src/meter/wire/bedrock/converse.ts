import { amount, array, type Json, object, text } from "../../../core/json.ts";
import { canonicalUsage, count, type Usage } from "../../../core/usage.ts";
import { type Attachment, attachmentOf } from "../content/attachments.ts";
import { type Effort, effortOf } from "../content/effort.ts";
import { shapeOf } from "../content/tools.ts";
import { type Reading, type RequestFacts, report } from "../formats/format.ts";
import { type CacheTime, cacheTime, longer, measureAll, measureTurns, wireLength } from "../text.ts";
import { modelIdOf } from "./model-id.ts";

/** The request of Converse, and of InvokeModel for Amazon's own models, which is the same but for the model's fields. */
export function readConverseRequest(body: Json, model: string | undefined, stream: boolean): RequestFacts {
  const measured = measureAll(body.system, body.promptVariables, body.outputConfig);
  const fixedBytes = measured.content;
  const turns = measureTurns(body.messages ?? [], fixedBytes, measured);
  const inference = object(body.inferenceConfig);
  const tools = toolsOf(body);
  return {
    model: modelIdOf(model),
    stream,
    inputBytes: measured.bytes,
    attachments: attachmentsOf(body),
    fixedBytes,
    turns,
    caches: cachesOf(body) ?? false,
    toolBytes: tools === undefined ? 0 : measureAll(tools).bytes,
    tools: tools && shapeOf(tools),
    effort: effortIn(object(body.additionalModelRequestFields)),
    maxOutput: amount(inference?.maxTokens) ?? amount(inference?.max_new_tokens),
    tier: text(object(body.serviceTier)?.type),
    metadata: object(body.requestMetadata),
    guarded: body.guardrailConfig !== undefined,
  };
}

/** The tools in the form that other vendors write them in; undefined for none. */
function toolsOf(body: Json): readonly object[] | undefined {
  const listed = object(body.toolConfig)?.tools;
  if (listed === undefined) return undefined;
  return array(listed).flatMap((item) => {
    const tool = object(item);
    if (tool?.cachePoint !== undefined) return [];
    const spec = object(tool?.toolSpec);
    if (spec === undefined) return [tool ?? {}];
    const { name, description } = spec;
    return [{ name, description, input_schema: object(spec.inputSchema)?.json ?? {} }];
  });
}

/** Claude's, Nova's and OpenAI's ways to say it. */
function effortIn(fields: Json | undefined): Effort | undefined {
  if (fields === undefined) return undefined;
  const reasoning = object(fields.reasoningConfig) ?? object(fields.reasoning_config) ?? object(fields.thinking);
  if (reasoning?.type === "disabled") return "none";
  const named = object(fields.output_config)?.effort ?? fields.reasoning_effort ?? reasoning?.maxReasoningEffort;
  return effortOf(named);
}

const KINDS = ["image", "document", "video", "audio"] as const;

function attachmentsOf({ messages }: Json): Attachment[] | undefined {
  const found: Attachment[] = [];
  for (const message of array(messages)) addAttachments(object(message)?.content, found);
  return found.length > 0 ? found : undefined;
}

function addAttachments(content: unknown, into: Attachment[]): void {
  for (const item of array(content)) {
    const block = object(item);
    const result = object(block?.toolResult);
    if (result !== undefined) addAttachments(result.content, into);
    for (const kind of KINDS) {
      const media = object(block?.[kind]);
      if (media === undefined) continue;
      const type = kind === "video" ? "video_url" : kind;
      const found = attachmentOf({ type, source: { data: object(media.source)?.bytes } });
      if (found !== undefined) into.push(found);
    }
  }
}

/** The longest time of the request's cache points. */
function cachesOf(body: Json): CacheTime | undefined {
  let time: CacheTime | undefined;
  const contents = array(body.messages).map((message) => object(message)?.content);
  for (const list of [body.system, object(body.toolConfig)?.tools, ...contents]) {
    for (const block of array(list)) time = longer(time, cacheTime(object(block)?.cachePoint));
  }
  return time;
}

/** Blocks of a whole message. */
export function countBlocks(content: unknown, reading: Reading): void {
  for (const item of array(content)) {
    const block = object(item);
    if (block === undefined) continue;
    reading.visible += wireLength(block.text);
    countToolUse(object(block.toolUse), reading);
    countReasoning(object(block.reasoningContent), reading);
  }
}

function countToolUse(use: Json | undefined, reading: Reading): void {
  if (use === undefined) return;
  reading.toolCalls += 1;
  reading.visible += wireLength(use.name);
  const input = object(use.input);
  if (input !== undefined && Object.keys(input).length > 0) reading.visible += JSON.stringify(input).length;
}

function countReasoning(content: Json | undefined, reading: Reading): void {
  if (content === undefined) return;
  reading.reasons = true;
  reading.thought += wireLength(content.text) + wireLength(object(content.reasoningText)?.text);
}

/** Reads one event of ConverseStream but its last, the metadata. Returns true for an ordinary delta. */
export function readConverseEvent(name: string, event: Json, reading: Reading): boolean {
  switch (name) {
    case "messageStart":
      reading.recognized = true;
      return false;
    case "contentBlockStart":
      countToolUse(object(object(event.start)?.toolUse), reading);
      return false;
    case "contentBlockDelta": {
      reading.recognized = true;
      const delta = object(event.delta);
      reading.visible += wireLength(delta?.text) + wireLength(object(delta?.toolUse)?.input);
      countReasoning(object(delta?.reasoningContent), reading);
      return delta !== undefined;
    }
    case "messageStop":
      reading.finished = true;
      return false;
    default:
      return false;
  }
}

/** Takes the usage of an answer, or of the metadata of a stream; absent is no report. */
export function reportConverse(usage: Json | undefined, reading: Reading): void {
  if (usage === undefined || (usage.inputTokens === undefined && usage.outputTokens === undefined)) return;
  report(reading, converseUsage(usage));
}

/** Bedrock counts cached tokens apart from the input, and the writes of an hour in `cacheDetails`. */
function converseUsage(raw: Json): Usage {
  const cacheRead = count(raw.cacheReadInputTokens ?? raw.cacheReadInputTokenCount);
  const cacheWrite = count(raw.cacheWriteInputTokens ?? raw.cacheWriteInputTokenCount);
  let cacheWrite1h = 0;
  for (const item of array(raw.cacheDetails)) {
    const detail = object(item);
    if (detail?.ttl === "1h") cacheWrite1h += count(detail.inputTokens);
  }
  return canonicalUsage({
    input: count(raw.inputTokens) + cacheRead + cacheWrite,
    output: count(raw.outputTokens),
    cacheRead,
    cacheWrite,
    cacheWrite1h,
  });
}
