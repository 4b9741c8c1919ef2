import { createHash } from "node:crypto";
import type { Faults } from "../../core/faults.ts";
import type { Forecast, Gate, Passage } from "../../limits/gate.ts";
import { readError } from "../wire/error-answer.ts";
import { endOf } from "./abandoned-calls.ts";
import type { OpenCall } from "./open-call.ts";

export interface CheckpointOptions {
  readonly faults: Faults;
  readonly forecast: (call: OpenCall) => Forecast;
  /** Resolves when prices are known; undefined when they are. */
  readonly prices: () => Promise<void> | undefined;
}

/** Where a call stops to be checked: before it is sent, and when the vendor has refused it. */
export interface Checkpoint {
  /** `sent` is the body as it goes out. Whether the call may go; undefined when it is not for the gate. At once where everything is known. */
  admit(gate: Gate, call: OpenCall, sent: unknown): Passage | undefined | Promise<Passage | undefined>;
  /** A vendor's own cap: its error is final, and the gate remembers it. Rejects as the body does. */
  readCap(gate: Gate, call: OpenCall, response: Response): Promise<Response>;
}

export function createCheckpoint(options: CheckpointOptions): Checkpoint {
  const { faults } = options;

  function admit(gate: Gate, call: OpenCall, sent: unknown): Passage | undefined | Promise<Passage | undefined> {
    if (call.facts.retrieval === true) return undefined;
    call.cuttable = gate.cuts;
    const prices = gate.forecasts ? options.prices() : undefined;
    if (prices === undefined && call.reads === undefined) return ask(gate, call, sent);
    const asked = Promise.all([prices, call.reads]).then(() =>
      call.ours === false ? undefined : ask(gate, call, sent),
    );
    return asked.catch((error: unknown) => {
      faults.report("guard", error);
      return undefined;
    });
  }

  function ask(gate: Gate, call: OpenCall, sent: unknown): Passage | Promise<Passage> {
    const { format, provider } = call.target;
    return gate.admit({
      node: call.node,
      format: format.name,
      provider,
      model: call.facts.model,
      forecast: () => options.forecast(call),
      fingerprint: () => fingerprintOf(call, sent),
      cut: (event) => call.cut(event),
    });
  }

  async function readCap(gate: Gate, call: OpenCall, response: Response): Promise<Response> {
    try {
      const { format, provider } = call.target;
      const { body, answer } = await readError(response);
      const { status } = response;
      const error = { node: call.node, format: format.name, provider, status, body };
      return answer(faults.guard("guard", () => gate.answered(error)) === true);
    } catch (error) {
      call.settle({ ...endOf(error, call) });
      throw error;
    }
  }

  return { admit, readCap };
}

/** Agent, address and body: what an agent that is stuck sends again. */
function fingerprintOf({ node, target }: OpenCall, sent: unknown): string | undefined {
  if (typeof sent !== "string") return undefined;
  return createHash("sha256")
    .update(`${node.scope.agent}\n${target.address}${target.path}\n`)
    .update(sent)
    .digest("base64");
}
