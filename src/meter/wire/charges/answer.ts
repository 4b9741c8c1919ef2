import { object } from "../../../core/json.ts";
import type { RefusalShape } from "../../../limits/refusal.ts";
import type { Reading, WireFormat } from "../formats/format.ts";
import { openaiRates } from "../rates.ts";
import { readToolAnswer, toolRefusal } from "./mcp.ts";
import type { PricedRequest } from "./priced.ts";
import { plainRefusal } from "./refusal.ts";

/** What the answer has said so far of one price. */
export interface AnswerFacts {
  failed: boolean;
  /** Units by the row's `figure`; undefined where it was not said, or is no number of zero or more. */
  units: number | undefined;
  /** Nothing more is said of it. */
  done: boolean;
}

/** The answer to one paid request: what it costs, once that is known, and what has been read of it, price by price. */
export interface ChargeAnswer {
  readonly prices: () => readonly PricedRequest[] | undefined;
  readonly answers: AnswerFacts[];
}

/** Whether the body of an answer decides what it cost; else its status does. */
export function needsAnswer(prices: readonly PricedRequest[] | undefined): boolean {
  return prices === undefined || prices.some(({ row, rpc }) => row.figure !== undefined || rpc !== undefined);
}

/** What was read of one price; nothing where its answer has not come. */
export function answerOf({ answers }: ChargeAnswer, at: number): AnswerFacts {
  answers[at] ??= { failed: false, units: undefined, done: false };
  return answers[at];
}

/** Reads an answer, as a wire format so that what watches bodies can read it. */
export function chargeFormat(answer: ChargeAnswer): WireFormat {
  const read = (body: unknown, reading: Reading): void => readAnswer(answer, body, reading);
  return {
    name: "charge",
    operation: "chat",
    provider: "charge",
    endpoints: [],
    rates: openaiRates,
    get refusal() {
      return refusalOf(answer.prices());
    },
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

function refusalOf(prices: readonly PricedRequest[] | undefined): RefusalShape {
  const rpc = prices?.find((priced) => priced.rpc !== undefined)?.rpc;
  // Who looks for the answer on another stream sees only whether the request was taken.
  return rpc === undefined || rpc.apart === true ? plainRefusal : toolRefusal(rpc);
}

/** Reads the answer to one call, or to a whole batch. Returns whether all has been answered. */
export function readMessages(answer: ChargeAnswer, body: unknown): boolean {
  const prices = answer.prices() ?? [];
  const messages: readonly unknown[] = Array.isArray(body) && prices.some(isTool) ? body : [body];
  for (const message of messages) prices.forEach((priced, at) => void readOne(priced, answerOf(answer, at), message));
  return prices.every((_, at) => answerOf(answer, at).done);
}

function readAnswer(answer: ChargeAnswer, body: unknown, reading: Reading): void {
  if (!readMessages(answer, body)) return;
  reading.recognized = true;
  reading.finished = true;
  // The stream of an MCP server may stay open behind the answer.
  reading.terminal = (answer.prices() ?? []).some(isTool);
}

function isTool({ rpc }: PricedRequest): boolean {
  return rpc !== undefined;
}

function readOne({ row, rpc }: PricedRequest, facts: AnswerFacts, message: unknown): void {
  const answer = rpc === undefined ? { failed: false } : readToolAnswer(message, rpc.id);
  if (answer === undefined) return;
  facts.done = true;
  facts.failed ||= answer.failed;
  if (row.figure !== undefined) facts.units = unitsAt(message, row.figure) ?? facts.units;
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
