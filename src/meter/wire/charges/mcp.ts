import { object, text } from "../../../core/json.ts";
import type { RefusalShape } from "../../../limits/refusal.ts";

/** A `tools/call` request of the Model Context Protocol. */
export interface ToolCall {
  readonly tool: string;
  /** As it was sent: a text or a number. */
  readonly id: unknown;
}

/** Reads a JSON-RPC message; undefined for any other. */
export function readToolCall(message: unknown): ToolCall | undefined {
  const json = object(message);
  if (json?.method !== "tools/call") return undefined;
  const tool = text(object(json.params)?.name);
  return tool === undefined ? undefined : { tool, id: json.id };
}

/** What the answer to a tool's call says: whether it failed; undefined for another message. */
export function readToolAnswer(message: unknown, id: unknown): { readonly failed: boolean } | undefined {
  const json = object(message);
  if (json === undefined || json.id !== id) return undefined;
  if (json.error !== undefined) return { failed: true };
  return json.result === undefined ? undefined : { failed: object(json.result)?.isError === true };
}

/** JSON-RPC's range for errors of an implementation's own. */
const CODE = -32_000;

/** The refusal of a tool's call, as an error of JSON-RPC. */
export function toolRefusal(id: unknown): RefusalShape {
  const body: RefusalShape["body"] = (message, blocked) => ({
    jsonrpc: "2.0",
    id: id ?? null,
    error: { code: CODE, message, data: { spendfuse: blocked } },
  });
  return { body, event: (message, blocked) => ({ data: body(message, blocked) }) };
}
