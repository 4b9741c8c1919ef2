import type { CircuitsView, CircuitView } from "./view.ts";

/** The breaker whose circuits the page shows. */
export interface BreakerLink {
  readonly url: string;
  readonly token: string | undefined;
}

const TIMEOUT_MS = 2_000;

/** The circuits that are not closed, or why they are not shown. Never rejects. */
export async function readCircuits(link: BreakerLink | undefined): Promise<CircuitsView> {
  if (link === undefined) return none("no breaker is named: start the sandbox with --breaker URL");
  try {
    const response = await fetch(`${link.url}/circuits`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) return none(`the breaker at ${link.url} answers ${response.status}`);
    const { circuits } = (await response.json()) as { circuits: readonly CircuitView[] };
    const shown = circuits.map(({ scope, state, until, source, reason }) => ({ scope, state, until, source, reason }));
    return { why: undefined, circuits: shown, operable: link.token !== undefined };
  } catch {
    return none(`the breaker at ${link.url} does not answer`);
  }
}

function none(why: string): CircuitsView {
  return { why, circuits: [], operable: false };
}

/** Trips or resets a circuit for a user of the page. Never rejects. */
export async function changeCircuit(
  link: BreakerLink | undefined,
  verb: "trip" | "reset",
  order: unknown,
): Promise<{ readonly status: number; readonly body: unknown }> {
  if (link?.token === undefined)
    return fault(409, "start the sandbox with --breaker URL and SPENDFUSE_OPERATOR_TOKEN to operate circuits");
  const { scope, reason, by, ttl } = (order ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof scope !== "string") return fault(400, '"scope" must be a text such as agent:researcher');
  try {
    const response = await fetch(`${link.url}/circuits/${verb}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${link.token}` },
      body: JSON.stringify({
        ...{ scope, ttl },
        by: by || "sandbox page",
        reason: reason || `${verb} by hand at the sandbox`,
      }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { status: response.status, body: await response.json() };
  } catch {
    return fault(502, `the breaker at ${link.url} does not answer`);
  }
}

function fault(status: number, message: string): { readonly status: number; readonly body: unknown } {
  return { status, body: { errors: [message] } };
}
