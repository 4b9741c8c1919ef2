import { type Blocked, REFUSAL_STATUS, type Refusal, type RefusalShape, type StreamEvent } from "../limits/refusal.ts";
import { markOf } from "./blocked.ts";

/** A refusal as the vendor would write it: every SDK raises its own error, once. `shape` is the call's wire format's. */
export function createRefusal(blocked: Blocked, shape: RefusalShape): Refusal {
  return {
    status: shape.status ?? REFUSAL_STATUS,
    statusText: shape.status === undefined ? "Payment Required" : "OK",
    headers: {
      "content-type": "application/json",
      // OpenAI's and Anthropic's SDKs honour it; the others do not retry a 402.
      "x-should-retry": "false",
      "x-spendfuse-blocked": blocked.reason,
      ...shape.headers,
    },
    body: JSON.stringify(shape.body(describe(blocked), blocked)),
  };
}

/** The event that ends a stream in its middle, as an error that the SDK raises. */
export function createRefusalEvent(blocked: Blocked, shape: RefusalShape): StreamEvent {
  return shape.event(describe(blocked), blocked);
}

/** The message of a refusal: scope, limit, amount, end, and the fix. */
export function describe(blocked: Blocked): string {
  const parts = [`spendfuse refused this call of ${blocked.scope}: ${cause(blocked)}.`];
  if (blocked.until !== undefined) parts.push(`It ends at ${new Date(blocked.until).toISOString()}.`);
  parts.push(remedy(blocked), markOf(blocked));
  return parts.join(" ");
}

function cause({ reason, budget, spentUsd, limitUsd, spent, limit, unit, source, why, unknown }: Blocked): string {
  if (unknown && why !== undefined) return why;
  if (reason !== "budget") {
    const opened = reason === "vendor_cap" ? "the vendor's own cap is reached" : `its circuit is open (${source})`;
    return why === undefined ? opened : `${opened}: ${why}`;
  }
  if (why !== undefined) return why;
  const name = budget === undefined ? "its budget" : `the budget "${budget}"`;
  if (limitUsd !== undefined)
    return `${name} has $${money(spentUsd ?? 0)} of $${money(limitUsd)} spent, the rest is too little`;
  return `${name} has ${spent} of ${limit} ${unit} used, the rest is too little`;
}

function remedy({ reason, scope, until, why, unknown }: Blocked): string {
  if (unknown === "no answer") return "Start it, or mend the connection: spendfuse doctor says what is wrong.";
  if (unknown === "fault") return "SPENDFUSE_DEBUG=1 shows the fault.";
  if (reason === "budget" && why !== undefined) return 'Add its price to "prices" in spendfuse.config.json.';
  if (reason === "vendor_cap") return "Raise the limit at the vendor, or wait.";
  if (reason === "circuit") return `Wait, or run: spendfuse breaker reset ${scope}`;
  return until === undefined ? "Raise the budget in spendfuse.config.json." : "Raise the budget, or wait.";
}

function money(usd: number): string {
  return usd >= 0.01 || usd === 0 ? usd.toFixed(2) : usd.toPrecision(2);
}
