import type { SettledCall } from "../../core/call.ts";
import { UNKNOWN_AGENT } from "../../core/scope.ts";
import { ATTR } from "../../names.ts";
import type { Context } from "../context.ts";
import type { Target } from "../request.ts";
import type { RequestFacts } from "../wire/format.ts";
import type { Holder } from "./span-claim.ts";
import type { Tracing } from "./tracing.ts";
import type { TracingAttributes, TracingSpan } from "./tracing-span.ts";

/** The span of one call: ours, or the one that an SDK made for it and that we fill. */
export interface SpanHandle {
  readonly span: TracingSpan;
  readonly enriched: boolean;
}

/** What is known of a call when its span begins. */
interface Begun extends Holder {
  readonly target: Target;
  readonly facts: RequestFacts;
  readonly context: Context;
}

/** Finds the span that an SDK has open for this call, or starts one. */
export function openCallSpan(tracing: Tracing, call: Begun): SpanHandle | undefined {
  const active = tracing.activeModelSpan();
  if (active?.claim(call)) return { span: active, enriched: true };
  const { format, provider, address } = call.target;
  const model = call.facts.model;
  const attributes: TracingAttributes = {
    [ATTR.operation]: format.operation,
    [ATTR.provider]: provider,
    [ATTR.serverAddress]: address,
    [ATTR.stream]: call.facts.stream,
  };
  if (model) attributes[ATTR.requestModel] = model;
  const name = model ? `${format.operation} ${model}` : format.operation;
  const span = tracing.start(name, "client", call.context.span?.span, attributes);
  return span && { span, enriched: false };
}

/** Writes what the call came to, and ends the span if it is ours. */
export function closeCallSpan(handle: SpanHandle, call: SettledCall): void {
  const { span, enriched } = handle;
  if (enriched && !span.open) return;
  const attributes = attributesOf(handle, call);
  span.setAttributes({ ...attributes, [ATTR.ending]: call.ending });
  if (!enriched) {
    if (call.ending === "failed") span.fail();
    span.end();
    return;
  }
  if (attributes[ATTR.agent] !== undefined) span.named();
  // Once its response has begun no SDK tries a call again.
  if (call.ending === "canceled" && call.status !== undefined && span.forgotten) {
    setTimeout(() => span.open && span.end(), FORGOTTEN_MS).unref();
  }
}

/** Gives somebody else's span back; ours has ended. `used`: the call came to something. */
export function releaseCallSpan({ span, enriched }: SpanHandle, call: Holder, used: boolean): void {
  if (enriched) span.release(call, used);
}

/** By then whoever ends spans of broken-off streams has done so. */
const FORGOTTEN_MS = 1_000;

function attributesOf({ span, enriched }: SpanHandle, call: SettledCall): TracingAttributes {
  const { scope, usage } = call;
  const attributes: TracingAttributes = {
    // What an SDK has written itself stays as it wrote it, and nobody is no name for its span.
    ...(!(enriched && (span.attributes?.[ATTR.agent] || scope.agent === UNKNOWN_AGENT)) && {
      [ATTR.agent]: scope.agent,
      [ATTR.rootAgent]: scope.rootAgent,
    }),
    [ATTR.quality]: call.quality,
    [ATTR.priced]: call.priced,
  };
  if (scope.team) attributes[ATTR.team] = scope.team;
  if (scope.project) attributes[ATTR.project] = scope.project;
  if (scope.key) attributes[ATTR.key] = scope.key;
  if (scope.run) attributes[ATTR.run] = scope.run;
  if (scope.user) attributes[ATTR.user] = scope.user;
  if (scope.conversation) attributes[ATTR.conversation] = scope.conversation;
  if (call.costUsd !== undefined) {
    attributes[ATTR.costAmount] = call.costUsd;
    attributes[ATTR.costCurrency] = "USD";
    attributes[ATTR.costSource] = call.costSource;
  }
  // A span of the SDK's own has its figures; ours are only added where it broke off without them.
  if (usage && (!enriched || span.attributes?.[ATTR.outputTokens] === undefined)) {
    attributes[ATTR.inputTokens] = usage.input;
    attributes[ATTR.outputTokens] = usage.output;
    // Each attribute of a span is paid for by whoever stores it: a part that is zero goes without saying.
    if (usage.cacheRead > 0) attributes[ATTR.cacheReadTokens] = usage.cacheRead;
    if (usage.cacheWrite > 0) attributes[ATTR.cacheWriteTokens] = usage.cacheWrite;
    if (usage.reasoning > 0) attributes[ATTR.reasoningTokens] = usage.reasoning;
  }
  if (!enriched) {
    attributes[ATTR.responseModel] = call.model;
    if (call.responseId) attributes[ATTR.responseId] = call.responseId;
    if (call.status !== undefined) attributes[ATTR.httpStatus] = call.status;
    if (call.ending === "failed") attributes[ATTR.errorType] = errorType(call);
  }
  return attributes;
}

export function errorType(call: SettledCall): string {
  return call.status !== undefined && call.status >= 400 ? String(call.status) : "_OTHER";
}
