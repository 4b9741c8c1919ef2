import type { Json } from "../../../core/json.ts";
import type { Usage } from "../../../core/usage.ts";
import type { RefusalShape } from "../../../limits/refusal.ts";
import type { RequestSettings } from "../changes/settings.ts";
import type { PricedRequest } from "../charges/priced.ts";
import type { Attachment } from "../content/attachments.ts";
import type { Effort } from "../content/effort.ts";
import type { ToolShape } from "../content/tools.ts";
import type { Endpoint, Route } from "../endpoints.ts";
import type { Served } from "../gateways/gateway.ts";
import type { HeaderLookup } from "../headers.ts";
import type { Host } from "../hosts.ts";
import type { RatesOf } from "../rates.ts";
import type { SocketMessages } from "../sockets/socket-messages.ts";
import type { CacheTime, Turns } from "../text.ts";
import type { SearchRequest, ServerTools } from "../tools/server-tools.ts";

/**
 * A wire format: how one family of model APIs writes a request, a response, a stream and an error. To add one, write a
 * file beside this one and give it a line in `registry.ts`: everything else that has to know formats reads it here. A
 * format only reads; it never changes what passes.
 */
export interface WireFormat {
  /** The file's name. */
  readonly name: string;
  /** OpenTelemetry's name of the operation. */
  readonly operation: "chat" | "generate_content" | "embeddings";
  /** The provider when the host is not in the table: the vendor whose format this is. */
  readonly provider: string;
  /** Where it is spoken, at any host. Of two formats with the same path, the first of the registry is taken. */
  readonly endpoints: readonly Endpoint[];
  /** What text costs in tokens, for what the vendor does not report. */
  readonly rates: RatesOf;
  /** The refusal in a shape that its SDKs raise as an error. */
  readonly refusal: RefusalShape;
  /** The facts of a request, or undefined when the body is of something else. */
  readRequest(body: Json, route: Route): RequestFacts | undefined;
  /** Where a request says its limits; absent: budgets change nothing in it. */
  readonly settings?: RequestSettings;
  /** The request names the model more fully than the answer, so that its name is the call's. */
  readonly requestNamesModel?: true;
  /** Reads the head of an answer that is no error, where the vendor reports in headers. */
  readHead?(headers: HeaderLookup, reading: Reading): void;
  /** Reads a whole, parsed body. */
  readBody(body: unknown, reading: Reading): void;
  /**
   * Reads one parsed frame of an event stream. Strings in it are bytes: the frame was decoded as Latin-1. Returns true
   * when the frame was an ordinary delta, which adds output and nothing else: others like it need no parsing then.
   */
  readFrame(frame: Json, event: string, reading: Reading): boolean;
  /** The JSON keys, with their quotes and colon, after which an ordinary delta carries its text. */
  readonly deltaKeys: readonly string[];
  /** Events whose frames hold nothing about the call. */
  readonly silentEvents?: ReadonlySet<string>;
  /** A delta frame may also carry usage or a finish reason, so everything after its text must be compared. */
  readonly strictDeltas: boolean;
  /** What its messages mean on a WebSocket; for formats with an endpoint of method `WEBSOCKET`. */
  readonly socket?: SocketMessages<RequestFacts>;
}

/** The facts about a call in its request. */
export interface RequestFacts {
  readonly model: string | undefined;
  readonly stream: boolean;
  /** UTF-8 bytes of the text that becomes input tokens; undefined when the body could not be read. */
  readonly inputBytes: number | undefined;
  /** Images, documents and audio, which cost tokens by other rules than text; undefined for none. */
  readonly attachments: readonly Attachment[] | undefined;
  /** Those of `inputBytes` that are the same in each request of an agent: system prompt and format of the answer. */
  readonly fixedBytes?: number;
  /** The messages by their lengths. */
  readonly turns?: Turns;
  /** The response or conversation at the vendor that is part of the input. */
  readonly continues?: string | undefined;
  /** The vendor keeps this call for others to continue: the id of a conversation, or `response` for the response's own. */
  readonly keptAs?: string | undefined;
  /** For how long input may be written to a cache, where a request has to ask for that; false when it does not. */
  readonly caches?: CacheTime | false;
  /** UTF-8 bytes of the tool definitions; a vendor writes them in another way for its model. */
  readonly toolBytes?: number;
  readonly tools?: ToolShape | undefined;
  /** How much the model is to reason, where the request says so. */
  readonly effort?: Effort | undefined;
  /** The text of its messages, or the beginning of it; only where a tokenizer is to count it. */
  readonly sample?: () => string;
  /** The caller's limit of output tokens. */
  readonly maxOutput?: number | undefined;
  readonly tier?: string | undefined;
  /** The stream will carry usage only if it is asked for, and the caller did not. */
  readonly lacksUsage?: boolean;
  /** Where the body's own last brace is, to put the question for usage before it. */
  readonly hasStreamOptions?: boolean;
  /** A retrieval of a response that ran in the background. */
  readonly retrieval?: boolean;
  /** What the caller attached for its own use. */
  readonly metadata?: Json | undefined;
  /** What the request says of the vendor's search that its price depends on. */
  readonly search?: SearchRequest | undefined;
  /** The request has a tool with which the vendor's code execution is free of charge. */
  readonly freeCode?: boolean;
  /** The request names a guardrail, whose charges the answer shows only where it is asked to. */
  readonly guarded?: boolean;
  /** What a request that is no model call costs. */
  readonly prices?: readonly PricedRequest[];
  /** The request only prepares a later one: where no usage is reported, none is charged. */
  readonly prepares?: boolean;
  /** The end user that the request names. */
  readonly user?: string | undefined;
  /** The system prompt, where a framework writes its agent's name into it. */
  readonly instructions?: string | undefined;
}

/** Of a body that could not be read. */
export const NO_FACTS: RequestFacts = {
  model: undefined,
  stream: false,
  inputBytes: undefined,
  attachments: undefined,
};

/** What has been read of a response so far. Formats write it; the recorder turns it into usage at the ending. */
export interface Reading {
  readonly host: Host | undefined;
  responseId: string | undefined;
  model: string | undefined;
  tier: string | undefined;
  speed: string | undefined;
  geo: string | undefined;
  /** What the vendor reported; the newest report replaces. */
  usage: Usage | undefined;
  /** The vendor's own report, for formats that send it in parts. */
  raw: Json | undefined;
  inputReported: boolean;
  outputReported: boolean;
  /** Parts to price one by one instead of `usage`, such as the turns inside one call. */
  parts: readonly ModelUsage[] | undefined;
  /** Usage that is not contained in `usage`. */
  extra: readonly ModelUsage[] | undefined;
  /** USD, when the vendor reports what it charged. */
  costUsd: number | undefined;
  /** What the vendor's own tools did. */
  tools: ServerTools | undefined;
  /** The answer came out of a gateway's cache: it costs nothing, whatever figures it repeats. */
  cached: boolean;
  /** Who answered, by the word of the gateway in between: the body may only repeat the alias that was asked for. */
  served: Served | undefined;
  /** Whoever answered may have a price of its own, which differs from the list price. */
  inexact: boolean;
  /** Bytes of visible text since the last report of output. */
  visible: number;
  /** Bytes of the names and arguments of tool calls since then. */
  callBytes: number;
  /** Bytes of visible output and of readable reasoning, and tool calls, that the last report of output covers. */
  reportedBytes: number;
  reportedThought: number;
  reportedCalls: number;
  /** Frames of a stream with visible output since the last report of output. */
  deltas: number;
  /** Bytes of readable reasoning since the last report of output. */
  thought: number;
  /** Tool calls begun since the last report of output; each costs tokens beside its text. */
  toolCalls: number;
  /** Tokens of audio since the last report of output, by its length. */
  audio: number;
  /** The model has begun to reason, whether or not it lets us read that. */
  reasons: boolean;
  /** The vendor reported that it was done. */
  finished: boolean;
  /** Nothing that matters follows. */
  terminal: boolean;
  /** The vendor reported an error in the body or stream. */
  failed: boolean;
  /** The vendor continues in the background; the usage comes with a later retrieval. */
  pending: boolean;
  /** The call runs, or ran, in the background. */
  background: boolean;
  /** Something of this format was seen at all. */
  recognized: boolean;
}

/** Usage of a model; an absent model is the call's own. */
export interface ModelUsage {
  readonly model?: string | undefined;
  readonly usage: Usage;
}

export function newReading(host: Host | undefined): Reading {
  return {
    host,
    responseId: undefined,
    model: undefined,
    tier: undefined,
    speed: undefined,
    geo: undefined,
    usage: undefined,
    raw: undefined,
    inputReported: false,
    outputReported: false,
    parts: undefined,
    extra: undefined,
    costUsd: undefined,
    tools: undefined,
    cached: false,
    served: undefined,
    inexact: false,
    visible: 0,
    callBytes: 0,
    deltas: 0,
    reportedBytes: 0,
    reportedThought: 0,
    reportedCalls: 0,
    thought: 0,
    toolCalls: 0,
    audio: 0,
    reasons: false,
    finished: false,
    terminal: false,
    failed: false,
    pending: false,
    background: false,
    recognized: false,
  };
}

/**
 * Takes a report of everything so far: what was counted from the text is covered by it. Zero input, and zero output
 * where there was some, is no report: some vendors write zero or null for what they do not count.
 */
export function report(reading: Reading, usage: Usage): void {
  reading.usage = usage;
  reading.inputReported = usage.input > 0;
  reading.outputReported =
    usage.output > 0 || reading.visible + reading.callBytes + reading.thought + reading.toolCalls === 0;
  if (!reading.outputReported) return;
  reading.reportedBytes += reading.visible + reading.callBytes;
  reading.reportedThought += reading.thought;
  reading.reportedCalls += reading.toolCalls;
  reading.visible = 0;
  reading.callBytes = 0;
  reading.deltas = 0;
  reading.thought = 0;
  reading.toolCalls = 0;
  reading.audio = 0;
}
