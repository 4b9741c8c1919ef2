/** Members that carry binary data, addresses or opaque state instead of text. */
export const NOT_TEXT: ReadonlySet<string> = new Set([
  "data",
  "file_data",
  "fileData",
  "b64_json",
  "url",
  "uri",
  "fileUri",
  "image_url",
  "file_id",
  "encrypted_content",
  "signature",
  "summary",
  "thoughtSignature",
  "thought_signature",
  "cachedContent",
  "previous_response_id",
  "prompt_cache_key",
  "safety_identifier",
  "id",
  "tool_call_id",
  "tool_use_id",
  "call_id",
  "cache_control",
  "metadata",
  "model",
  "user",
]);

/** Members of messages that say what they are, and not what is in them. */
export const LABELS: ReadonlySet<string> = new Set([
  "type",
  "role",
  "status",
  "phase",
  "mimeType",
  "media_type",
  "detail",
]);

/** Keys of the formats themselves; all others are data of the caller, such as arguments of a function. */
export const FORMAT_KEYS: ReadonlySet<string> = new Set([
  "annotations",
  "args",
  "arguments",
  "content",
  "function",
  "functionCall",
  "functionResponse",
  "input",
  "logprobs",
  "name",
  "output",
  "parts",
  "reasoning_content",
  "refusal",
  "response",
  "source",
  "text",
  "thinking",
  "title",
  "tool_calls",
]);
/** State by which a model goes on with its reasoning. */
export const REASONING: ReadonlySet<string> = new Set([
  "encrypted_content",
  "thoughtSignature",
  "thought_signature",
  "reasoning_content",
]);

/** Members that hold text, whatever it looks like. */
export const TEXT: ReadonlySet<string> = new Set([
  "text",
  "content",
  "arguments",
  "output",
  "input",
  "thinking",
  "name",
  "description",
]);
