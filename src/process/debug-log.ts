import { readEnvironment } from "../config/config.ts";
import type { SettledCall } from "../core/call.ts";
import type { Charge } from "../pricing/charge.ts";

/** Whether `SPENDFUSE_DEBUG` asks for a line per call, and for the stacks of faults. */
export function isDebugging(): boolean {
  return /^(1|true|on|yes)$/i.test(readEnvironment().SPENDFUSE_DEBUG ?? "");
}

/** Writes one line per settled call. */
export function createDebugLog(say: (message: string) => void): (call: SettledCall) => void {
  return (call) => say(`debug: ${lineOf(call)}`);
}

/** Writes one line per charge; undefined unless `SPENDFUSE_DEBUG` asks for it. */
export function createChargeLog(say: (message: string) => void): ((charge: Charge) => void) | undefined {
  return isDebugging() ? (charge) => say(`debug: ${chargeLineOf(charge)}`) : undefined;
}

/** `charge: web_search; 3 units; $0.024; agent a`. */
export function chargeLineOf({ what, units, costNano, scope }: Charge): string {
  const parts = [`charge: ${what}`];
  if (units !== undefined && units !== 1) parts.push(`${units} units`);
  parts.push(`$${Number((costNano / 1e9).toPrecision(6))}`, ownerOf(scope));
  return parts.join("; ");
}

/** `call lx2-0: openai gpt-4o-mini, stream, completed in 412 ms; 78 in, 8 out (reported); $0.00002; agent a`. */
export function lineOf(call: SettledCall): string {
  const { id, provider, model, stream, ending, status, durationMs, format, scope } = call;
  const answered = status === undefined || status < 400 ? "" : ` (${status})`;
  const shape = stream ? `${format}, stream` : format;
  const parts = [`call ${id}: ${provider} ${model} (${shape}) ${ending}${answered} in ${Math.round(durationMs)} ms`];
  parts.push(`${usageOf(call)} (${call.quality})`, costOf(call), ownerOf(scope));
  if (call.responseId !== undefined) parts.push(`response ${call.responseId}`);
  return parts.join("; ");
}

function usageOf({ usage }: SettledCall): string {
  if (usage === undefined) return "no usage";
  const { input, output, cacheRead, cacheWrite, reasoning } = usage;
  const cached = cacheRead + cacheWrite > 0 ? ` [cache: ${cacheRead} read, ${cacheWrite} written]` : "";
  return `${input} in${cached}, ${output} out${reasoning > 0 ? ` [${reasoning} reasoning]` : ""}`;
}

function costOf({ costUsd, costSource, priced, unpricedParts = [] }: SettledCall): string {
  if (costUsd === undefined) return "no cost";
  const parts = unpricedParts.length > 0 ? `: ${unpricedParts.join(", ")}` : "";
  const doubt = priced === "true" ? "" : ` (${priced}${parts})`;
  return `$${Number(costUsd.toPrecision(6))} by ${costSource === "provider" ? "the vendor" : "our prices"}${doubt}`;
}

function ownerOf({ agent, rootAgent, team, run }: SettledCall["scope"]): string {
  const parts = [rootAgent === agent ? `agent ${agent}` : `agent ${agent} of ${rootAgent}`];
  if (team !== undefined) parts.push(`team ${team}`);
  if (run !== undefined) parts.push(`run ${run}`);
  return parts.join(", ");
}
