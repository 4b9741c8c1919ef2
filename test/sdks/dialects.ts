/** How a vendor writes what is not in a good recording. */
export interface Dialect {
  readonly format: string;
  /** The body of an error status. */
  readonly refusal: (status: number) => string;
  /** The event that a vendor sends when a stream breaks on its side. */
  readonly errorEvent: string;
}

export const CHAT: Dialect = {
  format: "openai-chat",
  refusal: (status) => openaiError(status),
  errorEvent: `data: ${openaiError(500)}\n\n`,
};

export const RESPONSES: Dialect = {
  format: "openai-responses",
  refusal: (status) => openaiError(status),
  errorEvent:
    'event: error\ndata: {"type":"error","code":"server_error","message":"It broke","param":null,"sequence_number":99}\n\n',
};

export const ANTHROPIC: Dialect = {
  format: "anthropic-messages",
  refusal: (status) => anthropicError(status === 429 ? "rate_limit_error" : "invalid_request_error"),
  errorEvent: `event: error\ndata: ${anthropicError("overloaded_error")}\n\n`,
};

export const GOOGLE: Dialect = {
  format: "google-generate",
  refusal: (status) => JSON.stringify({ error: { code: status, message: `Refused with ${status}`, status: "FAILED" } }),
  errorEvent: 'data: {"error": {"code": 503,"message": "It broke","status": "UNAVAILABLE"}}\n\n',
};

function openaiError(status: number): string {
  const error = { message: `Refused with ${status}`, type: "server_error", param: null, code: null };
  return JSON.stringify({ error });
}

function anthropicError(type: string): string {
  return JSON.stringify({ type: "error", error: { type, message: `It is ${type}` }, request_id: "req_1" });
}
