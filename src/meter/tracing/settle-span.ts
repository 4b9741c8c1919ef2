import type { LateCall, LateFigures } from "../../core/late/late-call.ts";
import { ATTR } from "../../core/names.ts";
import type { SpanHandle } from "./call-span.ts";
import { lookAround } from "./otel-global.ts";
import type { TracingAttributes } from "./tracing-span.ts";

/** A call's own span has ended by then, and cannot be changed any more. */
const NAME = "spendfuse.settle";

/** Writes what the vendor said of a call as a span without duration, below the call's own. */
export function writeSettleSpan({ span, tracing }: SpanHandle, call: LateCall, figures: LateFigures): void {
  const { usage, costNano } = figures;
  const attributes: TracingAttributes = {
    [ATTR.provider]: call.group.provider,
    [ATTR.responseModel]: call.group.model,
    [ATTR.quality]: "settled",
    [ATTR.priced]: figures.priced,
    [ATTR.inputTokens]: usage.input,
    [ATTR.outputTokens]: usage.output,
  };
  if (call.responseId !== "") attributes[ATTR.responseId] = call.responseId;
  if (usage.cacheRead > 0) attributes[ATTR.cacheReadTokens] = usage.cacheRead;
  if (usage.cacheWrite > 0) attributes[ATTR.cacheWriteTokens] = usage.cacheWrite;
  if (usage.reasoning > 0) attributes[ATTR.reasoningTokens] = usage.reasoning;
  if (costNano !== undefined) {
    attributes[ATTR.settledCost] = costNano / 1e9;
    attributes[ATTR.correction] = (costNano - (call.costNano ?? 0)) / 1e9;
  }
  tracing.start({ ...lookAround(), span: undefined }, NAME, "internal", span, attributes)?.end();
}
