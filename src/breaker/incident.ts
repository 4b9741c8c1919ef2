import { alertingMonitors, type CircuitEvent, circuitAt } from "../limits/circuit.ts";
import { changeCircuit, type Store } from "../stores/store.ts";

/** What else a reset concerns. Lists are absent when empty. */
export interface IncidentAnswer {
  /** Circuits of the same incident that were closed as well. */
  readonly also?: readonly string[];
  /** Monitors that still alert: their next notification opens the circuit again. */
  readonly alerting?: readonly Alerting[];
  /** Circuits that are still open, in case they belong to it: an agent's root agent has a name of its own. */
  readonly stillOpen?: readonly string[];
}

export interface Alerting {
  /** Its id. */
  readonly monitor: string;
  readonly scope: string;
}

const MAX_STILL_OPEN = 20;
const TWINS: Readonly<Record<string, string>> = { agent: "root_agent", root_agent: "agent" };

/**
 * Closes the other circuit of an incident: an agent that nobody called is its own root agent, so that one runaway alerts
 * the monitors of both. A circuit that an operator opened stays. To be called before the reset of `scope` itself.
 */
export async function resetIncident(
  store: Store,
  scope: string,
  event: Extract<CircuitEvent, { type: "reset" }>,
  now: number,
  only: boolean,
): Promise<IncidentAnswer> {
  const circuits = await store.circuits();
  const twin = only ? undefined : twinOf(scope);
  const also: string[] = [];
  const alerting: Alerting[] = [];
  const stillOpen: string[] = [];
  for (const known of circuits) {
    const circuit = circuitAt(known, now);
    const isTwin = circuit.scope === twin && circuit.state !== "closed" && circuit.source !== "operator";
    if (circuit.scope === scope || isTwin)
      for (const monitor of alertingMonitors(circuit, now)) alerting.push({ monitor, scope: circuit.scope });
    if (isTwin) {
      await changeCircuit(store, circuit.scope, event, now);
      also.push(circuit.scope);
    } else if (circuit.scope !== scope && circuit.state !== "closed") stillOpen.push(circuit.scope);
  }
  return {
    ...(also.length > 0 && { also }),
    ...(alerting.length > 0 && { alerting }),
    ...(stillOpen.length > 0 && { stillOpen: stillOpen.slice(0, MAX_STILL_OPEN) }),
  };
}

/** `root_agent:a` of `agent:a`, and the other way round; undefined for others. */
function twinOf(scope: string): string | undefined {
  const [, kind = "", name] = /^(agent|root_agent):([^,]+)$/.exec(scope) ?? [];
  return name === undefined ? undefined : `${TWINS[kind]}:${name}`;
}
