import { object } from "../../../core/json.ts";
import type { Reading, WireFormat } from "../formats/format.ts";
import { openaiRefusal } from "../openai-error.ts";
import { openaiRates } from "../rates.ts";
import { readToolAnswer, toolRefusal } from "./mcp.ts";
import type { PricedRequest } from "./price-list.ts";

/** What the answer to a paid request has said so far. */
export interface AnswerFacts {
  failed: boolean;
  /** Units by the row's `figure`; undefined where it was not said, or is no number of zero or more. */
  units: number | undefined;
}

/** Whether the body of an answer decides what it cost; else its status does. */
export function needsAnswer({ row, rpc }: PricedRequest): boolean {
  return row.figure !== undefined || rpc !== undefined;
}

/** Reads one answer into `facts`, as a wire format so that what watches bodies can read it. */
export function answerFormat({ row, rpc }: PricedRequest, facts: AnswerFacts): WireFormat {
  const read = (message: unknown, reading: Reading): void => {
    const answer = rpc === undefined ? { failed: false } : readToolAnswer(message, rpc.id);
    if (answer === undefined) return;
    facts.failed ||= answer.failed;
    if (row.figure !== undefined) facts.units = unitsAt(message, row.figure) ?? facts.units;
    reading.recognized = true;
    reading.finished = true;
    // The stream of an MCP server may stay open behind the answer.
    reading.terminal = rpc !== undefined;
  };
  return {
    name: "charge",
    operation: "chat",
    provider: "charge",
    endpoints: [],
    rates: openaiRates,
    refusal: rpc === undefined ? openaiRefusal : toolRefusal(rpc.id),
    deltaKeys: [],
    strictDeltas: false,
    readRequest: () => undefined,
    readBody: read,
    readFrame(frame, _event, reading) {
      read(frame, reading);
      return false;
    },
  };
}

/** The number at a path such as `usage.credits` or `results.0.cost`. */
function unitsAt(message: unknown, path: string): number | undefined {
  let at: unknown = message;
  for (const name of path.split(".")) {
    at = Array.isArray(at) ? at[Number(name)] : object(at)?.[name];
  }
  const units = typeof at === "string" && at.trim() !== "" ? Number(at) : at;
  return typeof units === "number" && units >= 0 && Number.isFinite(units) ? units : undefined;
}
