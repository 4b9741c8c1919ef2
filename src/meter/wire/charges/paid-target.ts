import { NO_FACTS, type RequestFacts } from "../formats/format.ts";
import { FRAMINGS } from "../framings.ts";
import type { Target } from "../target.ts";
import { type ChargeAnswer, chargeFormat } from "./answer.ts";
import { pricesOf } from "./price-list.ts";
import type { PricedAddress } from "./priced.ts";

/** A request to a paid API that is no model, as transports see it: like one to a model, so that each carries it. */
export function paidTarget(at: PricedAddress, method: string, { tags, keyOf }: Pick<Target, "tags" | "keyOf">): Target {
  const { address, path, needsBody } = at;
  return {
    format: chargeFormat({ prices: () => undefined, answers: [] }),
    facts: needsBody ? undefined : factsOf(at, undefined),
    readFacts: (text) => factsOf(at, text),
    route: NO_ROUTE,
    framing: FRAMINGS.sse,
    host: undefined,
    provider: "charge",
    geo: undefined,
    local: false,
    address,
    path,
    method,
    shapes: new Map(),
    gateway: { gateway: undefined, looks: 0 },
    asksUsage: false,
    samples: false,
    keyOf,
    tags,
  };
}

/** The same for one request: its answer is read into `answer`. */
export function targetOfRequest(target: Target, answer: ChargeAnswer): Target {
  return { ...target, format: chargeFormat(answer) };
}

function factsOf(at: PricedAddress, text: string | undefined): RequestFacts | undefined {
  const prices = pricesOf(at, text);
  return prices.length === 0 ? undefined : { ...NO_FACTS, prices };
}

const NO_ROUTE: Target["route"] = { endpoint: { method: "POST", path: "/" }, model: undefined };
