import type { Faults } from "../../core/faults.ts";
import type { Ask, Forecast, Gate, Passage, SameRequest } from "../../limits/gate.ts";
import type { RefusalShape, StreamEvent } from "../../limits/refusal.ts";
import type { OpenCall } from "./open-call.ts";

/**
 * Asks the gate whether a call may leave. Undefined when no gate applies; synchronous where everything is known.
 * Never rejects.
 * @param sent The body as it goes out.
 */
export function admit(
  call: OpenCall,
  sent: unknown,
  faults: Faults,
): Passage | undefined | Promise<Passage | undefined> {
  const { gate, prices } = call.services;
  if (gate === undefined || call.facts.retrieval === true || call.paid?.isUnread(call)) return undefined;
  // What is paid for by request is done once the answer begins.
  call.cuttable = gate.cuts && call.paid === undefined;
  try {
    const loading = gate.forecasts && call.paid === undefined && !prices.ready ? prices.loaded() : undefined;
    if (loading === undefined && call.reads === undefined) return gate.admit(askOf(call, sent));
    return admitLater(gate, call, sent, loading, faults);
  } catch (error) {
    faults.report("guard", error);
    return uncheckedPassage(gate, call);
  }
}

function askOf(call: OpenCall, sent: unknown): Ask {
  return call.paid?.ask(call) ?? new CallAsk(call, sent);
}

/** Undefined where a call passes that our own fault kept from being checked. */
function uncheckedPassage(gate: Gate, { target }: OpenCall): Passage | undefined {
  const refusal = gate.unchecked(target.format.refusal);
  return refusal && { pass: false, refusal: () => refusal };
}

async function admitLater(
  gate: Gate,
  call: OpenCall,
  sent: unknown,
  loading: Promise<void> | undefined,
  faults: Faults,
): Promise<Passage | undefined> {
  try {
    await Promise.all([loading, call.reads]);
    return call.ours === false ? undefined : await gate.admit(askOf(call, sent));
  } catch (error) {
    faults.report("guard", error);
    return uncheckedPassage(gate, call);
  }
}

/** Looks at a vendor's error. True when it is a cap of the vendor's own, so that trying again is of no use. */
export function isFinal(call: OpenCall, status: number, body: unknown, faults: Faults): boolean {
  if (call.paid !== undefined) return false;
  const { gateway } = call.target.gateway;
  const provider = gateway?.name ?? call.target.provider;
  try {
    return call.services.gate?.answered({ node: call.node, provider, status, body }) === true;
  } catch (error) {
    faults.report("guard", error);
    return false;
  }
}

/** A class, so that a call costs one object and no closure. */
class CallAsk implements Ask {
  readonly node: Ask["node"];
  readonly refusal: RefusalShape;
  readonly provider: string;
  readonly signal: AbortSignal | undefined;
  readonly change: Ask["change"];
  readonly #call: OpenCall;
  readonly #sent: unknown;

  constructor(call: OpenCall, sent: unknown) {
    this.node = call.node;
    this.refusal = call.target.format.refusal;
    this.provider = call.target.provider;
    this.signal = call.signal;
    this.#call = call;
    this.#sent = sent;
    const { changeable } = call;
    this.change = changeable && ((change) => changeable.change(change));
  }

  get model(): string | undefined {
    return this.#call.facts.model;
  }

  throttled(budget: string, waitedMs: number): void {
    this.#call.treatment = { ...this.#call.treatment, throttled: { budget, waitedMs } };
  }

  finalises(): void {
    this.#call.treatment = { ...this.#call.treatment, finalising: true };
  }

  same(request: SameRequest): void {
    this.#call.same = request;
  }

  forecast(): Forecast {
    return this.#call.services.forecast(this.#call);
  }

  /** Agent, address and body: what an agent in a loop sends again. */
  fingerprint(): string | undefined {
    if (typeof this.#sent !== "string") return undefined;
    const { address, path } = this.#call.target;
    return process
      .getBuiltinModule("node:crypto")
      .createHash("sha256")
      .update(`${this.node.scope.agent}\n${address}${path}\n`)
      .update(this.#sent)
      .digest("base64");
  }

  cut(event: StreamEvent, error: () => Error): void {
    this.#call.cut({ event: this.#call.target.framing.write(event), error });
  }
}
