import type { SettledCall } from "../../core/call.ts";
import { ATTR } from "../../core/names.ts";
import { type Scope, UNKNOWN_AGENT } from "../../core/scope.ts";
import type { RequestFacts } from "../wire/formats/format.ts";
import type { Target } from "../wire/target.ts";
import type { Holder, Outcome } from "./claim-state.ts";
import type { Context } from "./context.ts";
import type { Surroundings } from "./otel-global.ts";
import type { Tracing } from "./tracing.ts";
import type { TracingAttributes, TracingSpan } from "./tracing-span.ts";

/** The span of one call: ours, or the one that an SDK made for it and that we fill. */
export interface SpanHandle {
  readonly span: TracingSpan;
  readonly enriched: boolean;
  readonly tracing: Tracing;
}

/** What is known of a call when its span begins. */
interface Begun extends Holder {
  readonly target: Target;
  readonly facts: RequestFacts;
  readonly context: Context;
}

/** Finds the span that an SDK has open for this call, or starts one. */
export function openCallSpan(tracing: Tracing, call: Begun, around: Surroundings): SpanHandle | undefined {
  const active = tracing.activeModelSpan(around);
  if (active?.claim(call)) return { span: active, enriched: true, tracing };
  const span = tracing.start(around, nameOf(call), "client", call.context.span?.span, requestAttributesOf(call));
  return span && { span, enriched: false, tracing };
}

/** Writes the call's result, and ends the span if it is ours. An SDK's span is filled when the SDK ends it. */
export function closeCallSpan(handle: SpanHandle, begun: Begun, call: SettledCall): void {
  if (!handle.enriched) {
    // A gateway has told who answered.
    if (call.provider !== begun.target.provider) handle.span.setAttributes({ [ATTR.provider]: call.provider });
    finishCallSpan(handle, call);
    return;
  }
  // Once its response has begun no SDK tries a call again.
  const brokenOff = call.ending === "canceled" && call.status !== undefined;
  handle.span.settle(begun, outcomeOf(handle, begun, call), brokenOff);
}

/** Gives an SDK's span back where {@link closeCallSpan} failed. */
export function releaseCallSpan({ span, enriched }: SpanHandle, begun: Holder): void {
  if (enriched) span.release(begun);
}

function outcomeOf(handle: SpanHandle, begun: Begun, call: SettledCall): Outcome {
  return {
    used: call.usage !== undefined,
    write: () => fill(handle, call),
    carry: () => carry(handle, begun, call),
  };
}

function fill(handle: SpanHandle, call: SettledCall): void {
  const attributes = attributesOf(handle, call);
  handle.span.setAttributes(attributes);
  if (attributes[ATTR.agent] !== undefined) handle.span.named();
}

/** Starts our own span in place of the SDK's. */
function carry({ span: other, tracing }: SpanHandle, begun: Begun, call: SettledCall): boolean {
  const span = tracing.startBeside(other, nameOf(begun), requestAttributesOf(begun), call.startedAt);
  if (span === undefined) return false;
  finishCallSpan({ span, enriched: false, tracing }, call, call.startedAt + call.durationMs);
  return true;
}

/** @param time When it ended, in milliseconds since the epoch, where that is not now. */
export function finishCallSpan(handle: SpanHandle, call: SettledCall, time?: number): void {
  const { span } = handle;
  const attributes = attributesOf(handle, call);
  if (call.ending === "failed") span.fail();
  span.end(time, attributes);
}

function nameOf({ target, facts }: Begun): string {
  // Joined, because an exporter reads a concatenated string several times as slowly, character by character.
  return facts.model ? [target.format.operation, facts.model].join(" ") : target.format.operation;
}

function requestAttributesOf({ target, facts }: Begun): TracingAttributes {
  const attributes: TracingAttributes = {
    [ATTR.operation]: target.format.operation,
    [ATTR.provider]: target.provider,
    [ATTR.serverAddress]: target.address,
  };
  if (facts.stream) attributes[ATTR.stream] = true;
  if (facts.model) attributes[ATTR.requestModel] = facts.model;
  return attributes;
}

function attributesOf({ span, enriched }: SpanHandle, call: SettledCall): TracingAttributes {
  const { scope, usage } = call;
  const attributes: TracingAttributes = {
    [ATTR.quality]: call.quality,
    [ATTR.priced]: call.priced,
    [ATTR.ending]: call.ending,
  };
  if (call.unpricedParts !== undefined) attributes[ATTR.unpricedParts] = call.unpricedParts;
  if (call.changes?.model !== undefined) {
    attributes[ATTR.downgradedFrom] = call.changes.model;
    attributes[ATTR.requestModel] = call.requestModel;
  }
  if (call.changes?.maxOutput !== undefined) attributes[ATTR.maxOutput] = call.changes.maxOutput;
  if (call.throttled !== undefined) attributes[ATTR.throttledMs] = Math.round(call.throttled.waitedMs);
  if (call.finalising) attributes[ATTR.finalising] = true;
  // An agent's name that an SDK has written is kept.
  if (scope.agent !== UNKNOWN_AGENT && !(enriched && span.attributes?.[ATTR.agent])) {
    attributes[ATTR.agent] = scope.agent;
    attributes[ATTR.rootAgent] = scope.rootAgent;
  }
  addScope(attributes, scope);
  if (call.costUsd !== undefined) {
    attributes[ATTR.costAmount] = call.costUsd;
    attributes[ATTR.costCurrency] = "USD";
    attributes[ATTR.costSource] = call.costSource;
  }
  // A span of the SDK's own has its figures; ours are only added where it broke off without them.
  if (usage && (!enriched || span.attributes?.[ATTR.outputTokens] === undefined)) {
    attributes[ATTR.inputTokens] = usage.input;
    attributes[ATTR.outputTokens] = usage.output;
    // Stored attributes cost money: parts that are zero are omitted.
    if (usage.cacheRead > 0) attributes[ATTR.cacheReadTokens] = usage.cacheRead;
    if (usage.cacheWrite > 0) attributes[ATTR.cacheWriteTokens] = usage.cacheWrite;
    if (usage.reasoning > 0) attributes[ATTR.reasoningTokens] = usage.reasoning;
  }
  if (!enriched) {
    attributes[ATTR.responseModel] = call.model;
    if (call.responseId) attributes[ATTR.responseId] = call.responseId;
    if (call.status !== undefined && call.status >= 400) attributes[ATTR.httpStatus] = call.status;
    if (call.ending === "failed") attributes[ATTR.errorType] = errorType(call);
  }
  return attributes;
}

/** All but the agents. */
function addScope(attributes: TracingAttributes, scope: Scope): void {
  if (scope.team) attributes[ATTR.team] = scope.team;
  if (scope.project) attributes[ATTR.project] = scope.project;
  if (scope.key) attributes[ATTR.key] = scope.key;
  if (scope.run) attributes[ATTR.run] = scope.run;
  if (scope.user) attributes[ATTR.user] = scope.user;
  if (scope.conversation) attributes[ATTR.conversation] = scope.conversation;
  for (const name in scope.tags) attributes[ATTR.tag + name] = scope.tags[name];
}

/** A scope as attributes of a span. */
export function scopeAttributes(scope: Scope): TracingAttributes {
  const named = scope.agent !== UNKNOWN_AGENT;
  const attributes: TracingAttributes = named ? { [ATTR.agent]: scope.agent, [ATTR.rootAgent]: scope.rootAgent } : {};
  addScope(attributes, scope);
  return attributes;
}

export function errorType(call: SettledCall): string {
  return call.status !== undefined && call.status >= 400 ? String(call.status) : "_OTHER";
}
