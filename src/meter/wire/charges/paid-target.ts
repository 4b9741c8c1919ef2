import { parse } from "../../../core/json.ts";
import { NO_FACTS, type RequestFacts } from "../formats/format.ts";
import { FRAMINGS } from "../framings.ts";
import type { Target } from "../target.ts";
import { type ChargeAnswer, chargeFormat } from "./answer.ts";
import { readCancellation } from "./mcp.ts";
import { pricesOf } from "./price-list.ts";
import type { PricedAddress } from "./priced.ts";
import { giveUpAnswer } from "./tool-streams.ts";

/** A request to a paid API that is no model, as transports see it: like one to a model, so that each carries it. */
export function paidTarget(at: PricedAddress, method: string, { tags, keyOf }: Pick<Target, "tags" | "keyOf">): Target {
  const { address, path, needsBody } = at;
  const listens = needsBody && method === "GET" && pricesOf(at, undefined).length === 0;
  return {
    format: chargeFormat({ prices: () => undefined, answers: [] }),
    facts: listens ? LISTENING : needsBody ? undefined : factsOf(at, undefined),
    readFacts: (text) => factsOf(at, text),
    priced: at,
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

/** It costs nothing, and opens the stream on which an MCP server may answer what is sent to it. */
const LISTENING: RequestFacts = { ...NO_FACTS, retrieval: true, prices: [] };

function factsOf(at: PricedAddress, text: string | undefined): RequestFacts | undefined {
  const stream = at.streams.get(at.href);
  if (stream !== undefined && text?.includes("notifications/cancelled"))
    giveUpAnswer(stream, readCancellation(parse(text)));
  const prices = pricesOf(at, text);
  return prices.length === 0 ? undefined : { ...NO_FACTS, prices };
}

const NO_ROUTE: Target["route"] = { endpoint: { method: "POST", path: "/" }, model: undefined };
