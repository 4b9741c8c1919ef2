import { SpendfuseError } from "../core/errors.ts";
import type { BaggageConfig } from "../meter/propagation/propagation.ts";
import { checkForm } from "./forms.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Environment variables that say the same as a key, and win over the file. */
const VARIABLES: readonly (readonly [variable: string, key: string])[] = [
  ["SPENDFUSE_AGENT", "agent"],
  ["SPENDFUSE_TEAM", "team"],
  ["SPENDFUSE_PROJECT", "project"],
  ["SPENDFUSE_ASK_USAGE", "askUsage"],
  ["SPENDFUSE_GEN_AI_METRICS", "genAiMetrics"],
  ["SPENDFUSE_SPANS", "spans"],
  ["SPENDFUSE_MODE", "mode"],
  ["SPENDFUSE_STORE", "store"],
  ["SPENDFUSE_WHEN_STATE_UNKNOWN", "whenStateUnknown"],
  ["SPENDFUSE_UNPRICED", "unpriced"],
  ["SPENDFUSE_CUT_STREAMS", "cutStreams"],
];

/**
 * What the environment says of whole keys, which are of these kinds.
 * @throws SpendfuseError `SPENDFUSE_CONFIG`, naming the variable and the fix.
 */
export function readVariables(env: Env, kinds: Readonly<Record<string, string>>): Readonly<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const [variable, key] of VARIABLES) {
    const value = env[variable];
    if (value === undefined || value === "") continue;
    found[key] = kinds[key] === "boolean" ? readBoolean(variable, value) : checkForm(key, value, variable);
  }
  return found;
}

/** What the environment says of the parts of `baggage`. @throws as {@link readVariables} */
export function readBaggage({ SPENDFUSE_BAGGAGE_SEND: send, SPENDFUSE_BAGGAGE_ACCEPT: accept }: Env): BaggageConfig {
  const hosts = send?.split(",").flatMap((host) => host.trim() || []);
  return {
    ...(hosts && { send: checkForm("baggage", { send: hosts }, "SPENDFUSE_BAGGAGE_SEND").send }),
    ...(accept && { accept: readBoolean("SPENDFUSE_BAGGAGE_ACCEPT", accept) }),
  };
}

/** A service's own name is better than none for what no agent says it is. */
export function serviceOf(env: Env): string | undefined {
  return env.DD_SERVICE?.trim() || env.OTEL_SERVICE_NAME?.trim() || undefined;
}

function readBoolean(variable: string, value: string): boolean {
  if (/^(1|true|on|yes)$/i.test(value)) return true;
  if (/^(0|false|off|no)$/i.test(value)) return false;
  throw new SpendfuseError("SPENDFUSE_CONFIG", `${variable} must be true or false, not "${value}"`, { variable });
}
