import type { Socket } from "node:net";
import { isOurs, mayHoldOurs, restOf } from "../../wire/scope-headers.ts";

/** What Node queues of a request. */
export interface Output {
  data: string | Uint8Array;
  readonly encoding: string | null | undefined;
  readonly callback: ((error?: Error) => void) | null | undefined;
}

/** A request of Node's, with those of its internals that hold it back. */
export interface Outgoing {
  readonly socket: Socket | null;
  readonly destroyed: boolean;
  readonly finished: boolean;
  readonly writableFinished: boolean;
  readonly res: { readonly destroyed: boolean } | null | undefined;
  readonly strictContentLength?: boolean;
  /** Whether the body is sent in chunks, each with its length. */
  readonly chunkedEncoding: boolean;
  /** With its query; the whole address to a proxy. */
  readonly path?: string;
  /** The head as text, once it is rendered. */
  _header: string | null;
  outputData: Output[];
  outputSize: number;
  getHeaders(): Record<string, unknown>;
  getHeaderNames(): string[];
  getHeader(name: string): unknown;
  write(...args: unknown[]): boolean;
  end(...args: unknown[]): unknown;
  flushHeaders(): void;
  destroy(error?: unknown): unknown;
  emit(...args: unknown[]): boolean;
  once(name: string, listener: () => void): unknown;
  _writeRaw(...args: unknown[]): boolean;
  _flush(): unknown;
  _finish(): void;
}

/** Whether this Node has what holds a request back; a request of another is not held, and so not metered. */
export function isHoldable(message: object): message is Outgoing {
  const { _writeRaw: write, _flush: flush, _finish: finish, outputData, outputSize } = message as Partial<Outgoing>;
  const methods = [write, flush, finish].every((method) => typeof method === "function");
  return methods && Array.isArray(outputData) && typeof outputSize === "number" && "_header" in message;
}

/** The headers as the caller set them, by names in lower case. */
export function headersOf(message: Outgoing): Readonly<Record<string, unknown>> {
  const headers = message.getHeaders();
  // A list of headers is rendered at once, and kept nowhere else.
  if (message._header === null || Object.keys(headers).length > 0) return headers;
  return Object.fromEntries(linesOf(message._header).map(([name, value]) => [name.toLowerCase(), value]));
}

/** One of these headers, by its name in lower case. */
export function headerOf(message: Outgoing, name: string): unknown {
  const value = message.getHeader(name);
  return value === undefined && message._header !== null ? headersOf(message)[name] : value;
}

/**
 * Changes the head that is queued, and nothing that the caller can look up: takes our own headers out, and where a
 * question was `added` to the body says its new length, and asks for an answer that is not coded.
 */
export function rewriteHead(message: Outgoing, added: number): void {
  const head = message._header;
  const [first] = message.outputData;
  if (head === null || (added === 0 && !mayHoldOurs(head))) return;
  if (typeof first?.data !== "string" || !first.data.startsWith(head)) return;
  const lines = linesOf(head);
  // A length that Node has found out itself is right.
  const headers = message.getHeaders();
  const longer = Object.keys(headers).length === 0 || "content-length" in headers ? added : 0;
  const changed = lines.map((line) => changedLine(line, added > 0, longer));
  if (changed.every((line, at) => line === lines[at])) return;
  const start = head.slice(0, head.indexOf("\r\n"));
  const kept = changed.flatMap((line) => (line === undefined ? [] : [`${line[0]}: ${line[1]}`]));
  const rewritten = [start, ...kept, "", ""].join("\r\n");
  first.data = rewritten + first.data.slice(head.length);
  message._header = rewritten;
}

export type Line = readonly [name: string, value: string];

export function linesOf(head: string): readonly Line[] {
  const lines = head.split("\r\n").slice(1);
  return lines.flatMap((line): Line[] => {
    const colon = line.indexOf(":");
    return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]];
  });
}

/** The same line where nothing is to be changed; undefined to take it out. */
function changedLine(line: Line, asked: boolean, longer: number): Line | undefined {
  const [name, value] = line;
  if (isOurs(name, value)) {
    const rest = restOf(name, value);
    return rest === undefined ? undefined : [name, rest];
  }
  if (!asked) return line;
  const lower = name.toLowerCase();
  if (lower === "accept-encoding") return [name, "identity"];
  return longer > 0 && lower === "content-length" ? [name, String(Number(value) + longer)] : line;
}
