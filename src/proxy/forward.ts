import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { object, parse, text } from "../core/json.ts";
import type { ScopeFields } from "../core/scope.ts";
import type { Answer } from "../http/exchange.ts";
import { READ_AT_ONCE } from "../meter/transports/bodies/node-body.ts";
import type { PassingOptions, PassingSocket } from "../meter/transports/websocket/passing.ts";
import { type Address, type Upstreams, upstreamUrl } from "./address.ts";
import { answerLines, requestHeaders, responseHeaders } from "./headers.ts";
import type { NodeAnswer } from "./node-answer.ts";
import { findProgram, type Program } from "./programs.ts";
import { readRequestBody } from "./request-body.ts";

/** The meter of this process, as the proxy uses it. */
export interface Metered {
  /** A metered fetch over the carrier of the proxy. */
  readonly fetch: typeof globalThis.fetch;
  scope<T>(fields: ScopeFields, fn: () => T): T;
  /** Runs `fn` in the scope that a baggage tells of. */
  extract<T>(carrier: { readonly baggage: string }, fn: () => T): T;
  /** Meters a WebSocket in the scope of the caller; undefined for one that goes to no model. */
  openSocket(options: PassingOptions): PassingSocket | undefined;
}

export interface ForwardOptions {
  readonly metered: Metered;
  /** Opens a connection to the server of an address. */
  readonly connect: (url: URL) => Promise<Duplex>;
  readonly upstreams: Upstreams;
  /** The agent of requests whose path, headers and key name none. */
  readonly agent: string | undefined;
  /** Runs what sends a request of a program that this process started, by its number. */
  readonly around?: (<T>(child: string, send: () => T) => T) | undefined;
  /** What every request belongs to, such as a run. */
  readonly fields: ScopeFields;
  /** The agent by a request's API key; undefined for a key without a name. */
  readonly agentOfKey: (headers: IncomingMessage["headers"]) => string | undefined;
}

/** The text of a refusal that has none. */
export const MESSAGE = "spendfuse refused this call";
/** Set on our own refusals. */
const BLOCKED = "x-spendfuse-blocked";
export const AGENT = "x-spendfuse-agent";

/**
 * Passes one request on, in its scope, and the answer back as it comes. Resolves to an answer of our own, or to undefined
 * when it has written the upstream's.
 */
export async function forward(
  options: ForwardOptions,
  address: Address,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Answer | undefined> {
  const { method = "GET" } = request;
  const gone = new AbortController();
  response.once("close", () => response.writableFinished || gone.abort());
  const program = findProgram(request.headers);
  const body = await readRequestBody(request);
  const url = upstreamUrl(address, options.upstreams, request.headers);
  const headers = headersOf(request, body, program);
  const init = { method, headers, body, signal: gone.signal, redirect: "manual" } as unknown as RequestInit;
  let answer: Response;
  try {
    answer = await inScope(options, address, request, program, () => options.metered.fetch(url, init));
  } catch (error) {
    return response.destroyed ? undefined : unreachable(url, error);
  }
  if (answer.headers.has(BLOCKED)) return await refusal(answer, address, program);
  if ("message" in answer) passNodeBack(answer as unknown as NodeAnswer, response);
  else await passBack(answer, response);
  return undefined;
}

function headersOf(request: IncomingMessage, body: unknown, program: Program | undefined): [string, string][] {
  const named = request.headers[AGENT] ?? program?.inside(request.headers).agent;
  // Of bytes the length is written anew, because the question for usage may be put into them.
  const headers = requestHeaders(request.rawHeaders, body instanceof Uint8Array ? "content-length" : undefined);
  if (typeof named === "string") headers.push([AGENT, named]);
  return headers;
}

/** A scope without `agent` has no span: a proxy does not know when an agent begins or ends. */
export function inScope<T>(
  options: ForwardOptions,
  { agent: inPath, baggage, child }: Address,
  { headers, method }: IncomingMessage,
  program: Program | undefined,
  send: () => T,
): T {
  const { metered, fields } = options;
  const named =
    headers[AGENT] === undefined ? (options.agentOfKey(headers) ?? options.agent ?? program?.name) : undefined;
  const agent = inPath ?? (baggage === undefined ? named : undefined);
  const conversation = program?.inside(headers).conversation;
  const own: ScopeFields = {
    ...fields,
    ...(agent !== undefined && { parents: [agent] }),
    ...(conversation !== undefined && { conversation }),
  };
  // Not for probes: a program may send them though its calls go elsewhere.
  const calls = method === "POST" || headers.upgrade !== undefined;
  const { around } = options;
  const sent = child === undefined || around === undefined || !calls ? send : () => around(child, send);
  const scoped = (): T => metered.scope(own, sent);
  return baggage === undefined ? scoped() : metered.extract({ baggage }, scoped);
}

async function refusal(answer: Response, { rest }: Address, program: Program | undefined): Promise<Answer> {
  const body = await answer.text();
  const message = text(object(object(parse(body))?.error)?.message) ?? MESSAGE;
  const headers = { [BLOCKED]: answer.headers.get(BLOCKED) ?? "" };
  const shaped = program?.refuse?.(rest.replace(/\?.*$/s, ""), message);
  if (shaped !== undefined) return { ...shaped, headers: { ...shaped.headers, ...headers } };
  return {
    status: program?.finalStatus ?? answer.status,
    body,
    headers: { ...responseHeaders(answer.headers), ...headers },
  };
}

/** In the shape of OpenAI's and Anthropic's errors at once; clients try again, as after a broken connection. */
export function unreachable(url: string, error: unknown): Answer {
  const { code, message } = error as NodeJS.ErrnoException;
  const says = `spendfuse proxy: cannot reach ${new URL(url).host}: ${code ?? message}`;
  return {
    status: 502,
    body: { type: "error", error: { type: "api_error", code: "upstream_unreachable", message: says } },
  };
}

/** The same for a Node stream, without a promise for each chunk. */
function passNodeBack(answer: NodeAnswer, response: ServerResponse): void {
  const { status, statusText, headers, rawHeaders, body, message } = answer;
  const lines = answerLines(rawHeaders, headers.get("content-type") ?? "");
  response.writeHead(status, statusText, lines);
  // A head whose body is there already leaves with it.
  const flush = setImmediate(() => response.flushHeaders());
  response.once("close", () => {
    clearImmediate(flush);
    // Of an answer that has left, all was read: its connection is kept.
    if (!response.writableFinished) message.destroy();
  });
  if (response.destroyed) return void message.destroy();
  response.on("drain", () => body.resume());
  let left = lengthOf(answer);
  body.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    // Head, body and end leave in one write, before the call is settled.
    if (left === 0) response.end(chunk);
    else if (!response.write(chunk)) body.pause();
  });
  body.once("end", () => response.end());
  for (const part of body === message ? [body] : [body, message]) part.once("error", () => response.destroy());
  message.once("close", () => message.complete || response.destroy());
}

/** Bytes of a body whose end may be sent as soon as they have come; NaN where they are not known, or its call settles first. */
function lengthOf({ headers, body, message }: NodeAnswer): number {
  const length = READ_AT_ONCE in body ? headers.get("content-length") : null;
  if (length === null || body !== message || message.headers["transfer-encoding"] !== undefined) return Number.NaN;
  // What was asked for usage may be taken out again.
  return (headers.get("content-type") ?? "").includes("text/event-stream") ? Number.NaN : Number(length);
}

/** Reads no faster than the client does. What breaks on one side breaks on the other. */
async function passBack(answer: Response, response: ServerResponse): Promise<void> {
  response.writeHead(answer.status, answer.statusText, responseHeaders(answer.headers));
  const reader = answer.body?.getReader();
  if (reader === undefined) return void response.end();
  // A head whose body is there already leaves with it.
  const flush = setImmediate(() => response.flushHeaders());
  const stop = (): void => void reader.cancel().catch(() => {});
  response.once("close", stop);
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      clearImmediate(flush);
      if (!response.write(next.value) && !response.destroyed) await drained(response);
      if (response.destroyed) return;
    }
    response.end();
  } catch {
    response.destroy();
  } finally {
    clearImmediate(flush);
  }
}

async function drained(response: ServerResponse): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([
      once(response, "drain", { signal: over.signal }),
      once(response, "close", { signal: over.signal }),
    ]);
  } finally {
    over.abort();
  }
}
