/** The readable parts of a span. */
export interface Described {
  readonly name: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>> | undefined;
  /** The name of the instrumentation that made it. */
  readonly scope?: string | undefined;
}

const OPERATIONS = new Set(["chat", "generate_content", "text_completion", "embeddings"]);
const OPENINFERENCE = new Set(["LLM", "EMBEDDING"]);
const AI_SDK = /\.do(?:Generate|Stream|Embed)$/;
/** Two frameworks that only mark a span when it ends: each call is a step of Mastra's, and ADK's span has one name. */
const LATE = [
  { scope: "@mastra/otel-bridge", name: /^step: \d+$/ },
  { scope: undefined, name: /^call_llm$/ },
];

/**
 * Whether a span is that of one model call: by the GenAI conventions, OpenInference's, the AI SDK's own of version 6 and
 * before, or a framework's that is marked late.
 */
export function isModelSpan({ name = "", attributes = {}, scope }: Described): boolean {
  return (
    OPERATIONS.has(String(attributes["gen_ai.operation.name"])) ||
    OPENINFERENCE.has(String(attributes["openinference.span.kind"])) ||
    AI_SDK.test(String(attributes["ai.operationId"])) ||
    LATE.some((late) => late.name.test(name) && (late.scope ?? scope) === scope)
  );
}

/** Whether a span is that of an HTTP request, made around our hook. */
export function isHttpSpan({ attributes = {} }: Described): boolean {
  return (
    (attributes["http.request.method"] ?? attributes["http.method"]) !== undefined &&
    !isModelSpan({ name: "", attributes })
  );
}
