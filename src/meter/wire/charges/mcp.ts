import { object, text } from "../../../core/json.ts";
import type { RefusalShape } from "../../../limits/refusal.ts";

/** A request of JSON-RPC, as it was sent. */
export interface RpcRequest {
  readonly id: unknown;
  /** The ids of all requests that were sent with it; undefined where it was sent alone. */
  readonly batch: readonly unknown[] | undefined;
  /** Its answer comes on an event stream that is open already: what is answered to the request itself is not read. */
  readonly apart?: true;
}

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

/** The id of the request that a client gives up by this message; undefined for another message. */
export function readCancellation(message: unknown): unknown {
  const json = object(message);
  return json?.method === "notifications/cancelled" ? object(json.params)?.requestId : undefined;
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

/**
 * The refusal of a tool's call: an error of JSON-RPC, and one for each request that was sent with it. Its status is 200, as of every answer of JSON-RPC: a client
 * of MCP reads no error's body, and would take a 402 for a failure of its connection.
 */
export function toolRefusal({ id, batch }: RpcRequest): RefusalShape {
  const body: RefusalShape["body"] = (message, blocked) => {
    const error = { code: CODE, message, data: { spendfuse: blocked } };
    const answerOf = (one: unknown): object => ({ jsonrpc: "2.0", id: one ?? null, error });
    return batch === undefined ? answerOf(id) : batch.map(answerOf);
  };
  return { status: 200, body, event: (message, blocked) => ({ data: body(message, blocked) }) };
}
