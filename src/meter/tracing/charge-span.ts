import { ATTR } from "../../core/names.ts";
import type { Charge } from "../../pricing/charge.ts";
import { scopeAttributes } from "./call-span.ts";
import type { Surroundings } from "./otel-global.ts";
import type { Tracing } from "./tracing.ts";
import type { TracingAttributes, TracingSpan } from "./tracing-span.ts";

const NAME = "spendfuse.charge";

/** Writes a charge as a span without duration: below the user's active span, else below the agent's. */
export function writeChargeSpan(
  tracing: Tracing,
  charge: Charge,
  around: Surroundings,
  agentSpan: TracingSpan | undefined,
): void {
  const attributes: TracingAttributes = {
    ...scopeAttributes(charge.scope),
    [ATTR.chargeName]: charge.what,
    [ATTR.chargeUsd]: charge.costNano / 1e9,
  };
  if (charge.units !== undefined) attributes[ATTR.chargeUnits] = charge.units;
  tracing.start(around, NAME, "internal", agentSpan, attributes)?.end();
}
