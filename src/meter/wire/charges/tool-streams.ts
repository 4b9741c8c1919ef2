import { object } from "../../../core/json.ts";

/** Waits for the answer to a tool's call that comes apart from it. */
export interface Expectation {
  answered(message: unknown): void;
  /** No answer comes any more, or none that anyone waits for. */
  givenUp(): void;
}

/**
 * An open event stream of an MCP server, on which it answers what is sent to its endpoint: the protocol's HTTP+SSE
 * transport, whose requests themselves are only answered with 202.
 */
export interface ToolStream {
  /** The address that opened it. */
  readonly address: string;
  /** Where calls are sent, as the server said; undefined before, and for streams that name none. */
  endpoint: string | undefined;
  /** By the id of the request. */
  readonly expected: Map<unknown, Expectation>;
}

/** Open streams by their endpoints. */
export type ToolStreams = Map<string, ToolStream>;

/** The most calls of one stream that are waited for: beyond it the first is given up. */
const MAX_EXPECTED = 1000;

export function newToolStream(address: string): ToolStream {
  return { address, endpoint: undefined, expected: new Map() };
}

/** Reads an event of the stream. `text` is its data. */
export function takeEvent(streams: ToolStreams, stream: ToolStream, name: string, text: string): void {
  if (name === "endpoint") takeEndpoint(streams, stream, text);
  else if (stream.expected.size > 0 && name === "message") takeMessage(stream, text);
}

function takeEndpoint(streams: ToolStreams, stream: ToolStream, text: string): void {
  const endpoint = URL.parse(text.trim(), stream.address);
  if (endpoint === null || endpoint.origin !== URL.parse(stream.address)?.origin) return;
  if (stream.endpoint !== undefined) streams.delete(stream.endpoint);
  stream.endpoint = endpoint.href;
  streams.set(stream.endpoint, stream);
}

function takeMessage({ expected }: ToolStream, text: string): void {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return;
  }
  for (const message of Array.isArray(parsed) ? parsed : [parsed]) {
    const json = object(message);
    // What has a method is a request or a notification of the server's own.
    const expectation = json === undefined || "method" in json ? undefined : expected.get(json.id);
    if (expectation === undefined) continue;
    expected.delete(json?.id);
    expectation.answered(message);
  }
}

export function expectAnswer({ expected }: ToolStream, id: unknown, expectation: Expectation): void {
  giveUp(expected, id);
  if (expected.size >= MAX_EXPECTED) giveUp(expected, expected.keys().next().value);
  expected.set(id, expectation);
}

/** The caller has canceled a call, or the call failed. */
export function giveUpAnswer({ expected }: ToolStream, id: unknown): void {
  giveUp(expected, id);
}

/** The stream is over. */
export function closeToolStream(streams: ToolStreams, stream: ToolStream): void {
  const { endpoint, expected } = stream;
  if (endpoint !== undefined && streams.get(endpoint) === stream) streams.delete(endpoint);
  for (const id of [...expected.keys()]) giveUp(expected, id);
}

function giveUp(expected: ToolStream["expected"], id: unknown): void {
  const expectation = expected.get(id);
  expected.delete(id);
  expectation?.givenUp();
}
