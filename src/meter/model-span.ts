/** A span as far as it lets itself be read. */
export interface Described {
  readonly name: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>> | undefined;
}

const OPERATIONS = new Set(["chat", "generate_content", "text_completion", "embeddings"]);
const OPENINFERENCE = new Set(["LLM", "EMBEDDING"]);
const AI_SDK = /\.do(?:Generate|Stream|Embed)$/;

/**
 * Whether a span is that of one model call: by the GenAI conventions, OpenInference's, the AI SDK's own of version 6 and
 * before, or Google ADK's, which says what it is only when it ends.
 */
export function isModelSpan({ name, attributes = {} }: Described): boolean {
  return (
    OPERATIONS.has(String(attributes["gen_ai.operation.name"])) ||
    OPENINFERENCE.has(String(attributes["openinference.span.kind"])) ||
    AI_SDK.test(String(attributes["ai.operationId"])) ||
    name === "call_llm"
  );
}

/** Whether a span is that of an HTTP request, made around our hook. */
export function isHttpSpan({ attributes = {} }: Described): boolean {
  return (
    (attributes["http.request.method"] ?? attributes["http.method"]) !== undefined &&
    !isModelSpan({ name: "", attributes })
  );
}
