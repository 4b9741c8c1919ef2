import { SpendfuseError } from "../core/errors.ts";
import type { BudgetUnit } from "../limits/budget.ts";
import { type Blocked, REFUSAL_STATUS, type Refusal, type RefusalShape, type StreamEvent } from "../limits/refusal.ts";
import { markOf } from "./blocked.ts";

/** What `spendfuse budget raise` changes a budget through: the breaker of the configuration, or the store itself. */
export type RaiseWith = "breaker" | "store";

/** A refusal as the vendor would write it: every SDK raises its own error, once. `shape` is the call's wire format's. */
export function createRefusal(blocked: Blocked, shape: RefusalShape, raise?: RaiseWith): Refusal {
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
    body: JSON.stringify(shape.body(describe(blocked, raise), blocked)),
  };
}

/** The event that ends a stream in its middle, as an error that the SDK raises. */
export function createRefusalEvent(blocked: Blocked, shape: RefusalShape, raise?: RaiseWith): StreamEvent {
  return shape.event(describe(blocked, raise), blocked);
}

/** The error that ends a stream to which no event can be added. Its `spendfuse` are the facts, for `isBlocked`. */
export function createRefusalError(blocked: Blocked, raise?: RaiseWith): Error {
  return Object.assign(new SpendfuseError("SPENDFUSE_BLOCKED", describe(blocked, raise), { ...blocked }), {
    spendfuse: blocked,
  });
}

/** The message of a refusal: {@link explain} and the facts, for errors that keep nothing but their message. */
export function describe(blocked: Blocked, raise?: RaiseWith): string {
  return `spendfuse refused this call of ${blocked.scope}: ${explain(blocked, raise)} ${markOf(blocked)}`;
}

/** Why a call is refused, when that ends, and one way out, in sentences. */
export function explain(blocked: Blocked, raise?: RaiseWith): string {
  return [`${cause(blocked)}.`, ...ends(blocked), remedy(blocked, raise)].join(" ");
}

function cause(blocked: Blocked): string {
  const { reason, source, why, unknown } = blocked;
  if (unknown && why !== undefined) return why;
  if (reason !== "budget") {
    const opened = reason === "vendor_cap" ? "the vendor's own cap is reached" : `its circuit is open (${source})`;
    return why === undefined ? opened : `${opened}: ${why}`;
  }
  return why ?? shortage(blocked);
}

/** What the call may use beside what is left, and where the rest of the cap is. */
function shortage(blocked: Blocked): string {
  const { budget, unit = "usd" } = blocked;
  const { spent, limit, need, held, kept } = amountsOf(blocked);
  // To the nano-dollar, which is what budgets count in.
  const left = Math.max(0, Math.round((limit - spent - held - kept) * 1e9) / 1e9);
  const digits = need !== undefined && amount(unit, need) === amount(unit, left) ? 9 : undefined;
  const parts = [
    `${amount(unit, spent)} spent`,
    ...(held > 0 ? [`${amount(unit, held)} held by calls under way`] : []),
    ...(kept > 0 ? [`${amount(unit, kept)} kept for finalise()`] : []),
  ];
  const name = budget === undefined ? "its budget" : `the budget "${budget}"`;
  const rest = left === 0 ? "nothing" : amount(unit, left, digits);
  const has = `${name} has ${rest} left of ${amount(unit, limit)} (${parts.join(", ")})`;
  if (need === undefined) return has;
  return `this call may ${unit === "usd" ? "cost" : "use"} ${amount(unit, need, digits)}, and ${has}`;
}

interface Amounts {
  readonly spent: number;
  readonly limit: number;
  readonly need: number | undefined;
  readonly held: number;
  readonly kept: number;
}

function amountsOf(blocked: Blocked): Amounts {
  const { spent = blocked.spentUsd ?? 0, limit = blocked.limitUsd ?? 0, need = blocked.needUsd } = blocked;
  return { spent, limit, need, held: blocked.held ?? blocked.heldUsd ?? 0, kept: blocked.kept ?? blocked.keptUsd ?? 0 };
}

const FIXED_WINDOWS = new Set(["hour", "day", "month"]);

function ends({ reason, per, until }: Blocked): readonly string[] {
  if (per === "run") return ["The budget is per run: a new run begins at zero."];
  if (until === undefined) return [];
  const at = new Date(until).toISOString();
  if (reason !== "budget") return [`Calls are tried again at ${at}.`];
  if (per === undefined || FIXED_WINDOWS.has(per)) return [`It resets at ${at}.`];
  return [`Its window is the last ${per}: spend drops out of it bit by bit, next at ${at}.`];
}

function remedy(blocked: Blocked, raise: RaiseWith | undefined): string {
  const { reason, scope, why, unknown } = blocked;
  if (unknown === "no answer") return "Start it, or mend the connection: spendfuse doctor says what is wrong.";
  if (unknown === "fault") return "SPENDFUSE_DEBUG=1 shows the fault.";
  if (reason === "budget" && why !== undefined) return 'Add its price to "prices" in spendfuse.config.json.';
  if (reason === "vendor_cap") return "Raise the limit at the vendor, or wait.";
  if (reason === "circuit") return `Wait, or run: spendfuse breaker reset ${scope}`;
  if (raise === undefined || blocked.budget === undefined) {
    return "Raise its cap in the configuration and start the process again.";
  }
  return `To raise it until then: ${raiseLine(blocked, blocked.budget, raise)}`;
}

/** The command that makes room: for the call, and for a tenth of the cap. */
function raiseLine(blocked: Blocked, budget: string, raise: RaiseWith): string {
  const { scope, run, unit = "usd" } = blocked;
  const { spent, limit, need = 0, held, kept } = amountsOf(blocked);
  const least = Math.max(need - (limit - spent - held - kept), limit / 10);
  const more = unit === "usd" ? Math.max(0.01, Math.ceil(least * 100) / 100) : Math.max(1, Math.ceil(least));
  const options = [
    ...(scope === "all" ? [] : ["--scope", quote(scope)]),
    ...(run === undefined ? [] : ["--run", quote(run)]),
    ...(raise === "store" ? ["--store ADDRESS"] : []),
    "--reason TEXT",
  ];
  return `spendfuse budget raise ${quote(budget)} ${more} ${options.join(" ")}`;
}

/** A word of a command line, as shells read it. */
function quote(word: string): string {
  return /^[\w.:,/@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function amount(unit: BudgetUnit, value: number, digits?: number): string {
  if (unit !== "usd") return `${value} ${value === 1 ? unit.slice(0, -1) : unit}`;
  const decimals = value === 0 || value >= 0.1 ? 2 : Math.min(9, 1 - Math.floor(Math.log10(value)));
  return `$${value.toFixed(digits ?? decimals).replace(/(\.\d\d\d*?)0+$/, "$1")}`;
}
