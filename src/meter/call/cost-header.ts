import { reportedCost } from "../../core/figures.ts";

/** A response's headers. `name` is in lower case. */
export interface HeaderLookup {
  get(name: string): string | null | undefined;
}

/** Headers in which gateways report the cost of a call, in USD. */
const COST_HEADERS = ["x-litellm-response-cost"];

/** The cost in USD that a response's headers report. */
export function readCostHeader(headers: HeaderLookup): number | undefined {
  for (const name of COST_HEADERS) {
    const cost = reportedCost(headers.get(name));
    if (cost !== undefined) return cost;
  }
  return undefined;
}
