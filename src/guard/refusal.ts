import { type Blocked, markOf } from "./blocked.ts";

const STATUS = 402;

/** How each family of wire formats writes an error, and one in the middle of a stream. */
interface ErrorShape {
  body(message: string, blocked: Blocked): object;
  frame(message: string, blocked: Blocked): string;
}

const openai: ErrorShape = {
  body: (message, blocked) => ({ error: openaiError(message, blocked) }),
  frame: (message, blocked) => `data: ${JSON.stringify({ error: openaiError(message, blocked) })}\n\n`,
};

function openaiError(message: string, blocked: Blocked): object {
  return { message, type: "spendfuse_blocked", code: `spendfuse_${blocked.reason}`, param: null, spendfuse: blocked };
}

const SHAPES: Readonly<Record<string, ErrorShape>> = {
  "anthropic-messages": {
    body: anthropicError,
    frame: (message, blocked) => `event: error\ndata: ${JSON.stringify(anthropicError(message, blocked))}\n\n`,
  },
  "google-generate": {
    body: googleError,
    frame: (message, blocked) => `data: ${JSON.stringify(googleError(message, blocked))}\n\n`,
  },
};

function anthropicError(message: string, blocked: Blocked): object {
  return { type: "error", error: { type: "billing_error", message, spendfuse: blocked } };
}

function googleError(message: string, blocked: Blocked): object {
  return { error: { code: STATUS, message, status: "RESOURCE_EXHAUSTED", spendfuse: blocked } };
}

/** A refusal as the vendor would write it: every SDK raises its own error, once. `format` is the wire format's name. */
export function createRefusal(blocked: Blocked, format: string): Response {
  const body = (SHAPES[format] ?? openai).body(describe(blocked), blocked);
  return new Response(JSON.stringify(body), {
    status: STATUS,
    statusText: "Payment Required",
    headers: {
      "content-type": "application/json",
      // Both big SDKs obey it; the others do not try a 402 again.
      "x-should-retry": "false",
      "x-spendfuse-blocked": blocked.reason,
    },
  });
}

/** The event that ends a stream in its middle, as an error that the SDK raises. */
export function createRefusalFrame(blocked: Blocked, format: string): string {
  return (SHAPES[format] ?? openai).frame(describe(blocked), blocked);
}

/** Who, what, how much, until when, and what to do. */
export function describe(blocked: Blocked): string {
  const parts = [`spendfuse refused this call of ${blocked.scope}: ${cause(blocked)}.`];
  if (blocked.until !== undefined) parts.push(`It ends at ${new Date(blocked.until).toISOString()}.`);
  parts.push(remedy(blocked), markOf(blocked));
  return parts.join(" ");
}

function cause({ reason, budget, spentUsd, limitUsd, spent, limit, unit, source, why }: Blocked): string {
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

function remedy({ reason, scope, until }: Blocked): string {
  if (reason === "vendor_cap") return "Raise the limit at the vendor, or wait.";
  if (reason === "circuit") return `Wait, or run: spendfuse breaker reset ${scope}`;
  return until === undefined ? "Raise the budget in spendfuse.config.json." : "Raise the budget, or wait.";
}

function money(usd: number): string {
  return usd >= 0.01 || usd === 0 ? usd.toFixed(2) : usd.toPrecision(2);
}
