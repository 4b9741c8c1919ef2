import { costNanoOf, type SettledCall } from "../../core/call.ts";
import { ATTR } from "../../core/names.ts";
import { type Identifier, placeOf } from "../../meter/identity/identify.ts";
import { type AgentSpan, addOpenCall, addSettledCall } from "../../meter/tracing/agent-span.ts";
import { finishCallSpan } from "../../meter/tracing/call-span.ts";
import { lookAround, type Surroundings } from "../../meter/tracing/otel-global.ts";
import type { Tracing } from "../../meter/tracing/tracing.ts";
import type { TracingAttributes } from "../../meter/tracing/tracing-span.ts";
import * as formats from "../../meter/wire/formats/registry.ts";

/** Where a program was started: the spans of its calls are below the one that was active there. */
export interface ProgramPlace {
  readonly around: Surroundings;
  /** The agent's, to whose sums they add as long as it is open. */
  readonly agentSpan: AgentSpan | undefined;
}

export interface ProgramSpans {
  /** The place that we are called in. */
  place(): ProgramPlace;
  /** Writes the span of a call that a program has made. `place`: undefined once the program has ended. */
  write(call: SettledCall, place: ProgramPlace | undefined): void;
}

export function createProgramSpans(identifier: Identifier, tracing: Tracing): ProgramSpans {
  return {
    place: () => placeOf(identifier),
    write: (call, place) => write(tracing, call, place),
  };
}

function write(tracing: Tracing, call: SettledCall, place: ProgramPlace | undefined): void {
  // The provider may have changed since; the parent has not.
  const around: Surroundings = { ...lookAround(), context: place?.around.context, span: place?.around.span };
  const agentSpan = place?.agentSpan;
  const operation = OPERATIONS.get(call.format) ?? "chat";
  const model = call.requestModel ?? call.model;
  const attributes: TracingAttributes = {
    [ATTR.operation]: operation,
    [ATTR.provider]: call.provider,
    [ATTR.requestModel]: model,
  };
  if (call.stream) attributes[ATTR.stream] = true;
  const name = `${operation} ${model}`;
  const span = tracing.start(around, name, "client", agentSpan?.span, attributes, call.startedAt);
  if (span) finishCallSpan({ span, enriched: false, tracing }, call, call.startedAt + call.durationMs);
  if (agentSpan === undefined || agentSpan.ended) return;
  addOpenCall(agentSpan);
  addSettledCall(agentSpan, call, costNanoOf(call));
}

/** OpenTelemetry's names of operations, by wire format. */
const OPERATIONS: ReadonlyMap<string, string> = new Map(
  Object.values(formats).map(({ name, operation }) => [name, operation]),
);
